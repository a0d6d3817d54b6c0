#include "tokenizer_model.h"

#include <stdlib.h>

void mambaTokenizerModelClear(TokenizerModel *model) {
  free(model->tokens);
  free(model->merges);
  free(model->added);
  free(model->text.data);
  *model = (TokenizerModel){0};
}
