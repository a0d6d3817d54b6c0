/* program.c: the sizes of the model, and the places of its states. */
#include "emit.h"

#include <inttypes.h>

void mambaEmitProgram(const MambaPlan *plan, FILE *file) {
  const int64_t end_of_text =
      mambaHasAttribute(plan->module, "mamba.eos") ? mambaIntAttribute(plan->module, "mamba.eos") : -1;
  const MambaPlanTensor *table = mambaPlanTable(plan);
  fprintf(file, "/* The sizes of the model. Generated. */\n"
                "#include \"program.h\"\n\n"
                "/* {offset, bytes} of the states of one sequence. */\n"
                "static const mamba_state_place states[] = {");
  for (size_t i = 0; i < plan->state_count; i++)
    fprintf(file, "%s{%zu, %zu},", i % 4 ? " " : "\n    ", plan->states[i].offset, plan->states[i].bytes);
  fprintf(file,
          "%s\n};\n"
          "\nconst mamba_program mamba_model_program = {\n"
          "    .target = \"%s\",\n"
          "    .architecture = %d,\n"
          "    .vocabulary = %" PRId64 ",\n"
          "    .end_of_text = %" PRId64 ",\n"
          "    .chunk = %" PRId64 ",\n"
          "    .logit_rows = %" PRId64 ",\n"
          "    .max_threads = %" PRId64 ",\n"
          "    .arena_bytes = %zu,\n"
          "    .state_bytes = %zu,\n"
          "    .weights_bytes = %zu,\n"
          "    .step_bytes = %zu,\n"
          "    .weights_hash = UINT64_C(0x%016" PRIx64 "),\n"
          "    .table_offset = %zu,\n"
          "    .row_bytes = %zu,\n"
          "    .states = states,\n"
          "    .state_count = %zu,\n"
          "};\n",
          plan->state_count ? "" : "{0, 0}", plan->target->name, plan->target->architecture, plan->vocabulary,
          end_of_text, plan->chunk, mambaPlanLogitRows(plan), plan->threads, plan->arena_bytes,
          plan->state_bytes, plan->weights_bytes, plan->step_bytes, plan->weights_hash,
          table ? table->offset : 0, table ? table->bytes / (size_t)mambaDim(table->value, 0) : 0,
          plan->state_count);
}
