/* Checkpoints: the sample model, single files, shards with an index, and every way an index lies. */
#include "mamba/checkpoint.h"
#include "mamba/safetensors_writer.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static TempDir dir;

static int createDir(void **state) {
  (void)state;
  tempDirCreate(&dir);
  return 0;
}

static int removeDir(void **state) {
  (void)state;
  tempDirRemove(&dir);
  return 0;
}

/* Writes one-dimensional U8 tensors, named by the characters of `names`, that hold their name thrice. */
static void writeTensors(const char *file, const char *names) {
  MambaSafetensorsWriter *writer;
  MambaError error;
  assert_int_equal(mambaSafetensorsWriterCreate(tempDirPath(&dir, file), &writer, &error), MAMBA_OK);
  for (const char *p = names; *p; p++) {
    const char name[] = {*p, 0};
    assert_int_equal(
        mambaSafetensorsWriterDeclare(writer, name, MAMBA_DTYPE_U8, 1, (const int64_t[]){3}, &error),
        MAMBA_OK);
  }
  for (const char *p = names; *p; p++) {
    const char name[] = {*p, 0}, data[] = {*p, *p, *p};
    assert_int_equal(mambaSafetensorsWriterAppend(writer, name, data, 3, &error), MAMBA_OK);
  }
  assert_int_equal(mambaSafetensorsWriterFinish(writer, &error), MAMBA_OK);
  mambaSafetensorsWriterDestroy(writer);
}

static MambaCheckpoint *openOrFail(const char *path) {
  MambaCheckpoint *checkpoint = NULL;
  MambaError error;
  if (mambaCheckpointOpen(path, &checkpoint, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  return checkpoint;
}

static void expectRefused(const char *path, MambaStatus status, const char *message) {
  MambaCheckpoint *checkpoint = NULL;
  MambaError error = {0};
  assert_int_equal(mambaCheckpointOpen(path, &checkpoint, &error), status);
  assert_null(checkpoint);
  if (!strstr(error.message, message))
    fail_msg("expected '%s' in '%s'", message, error.message);
}

static void expectIndexRefused(const char *index, MambaStatus status, const char *message) {
  tempDirWriteText(&dir, "model.safetensors.index.json", index);
  expectRefused(dir.path, status, message);
}

static void expectAbcd(const MambaCheckpoint *checkpoint) {
  assert_int_equal(mambaCheckpointGetCount(checkpoint), 4);
  for (size_t i = 0; i < 4; i++) {
    const MambaTensorView *tensor = mambaCheckpointGet(checkpoint, i);
    const char name[] = {(char)('a' + i), 0}, data[] = {name[0], name[0], name[0]};
    assert_string_equal(tensor->name, name);
    assert_memory_equal(tensor->data, data, 3);
    assert_ptr_equal(mambaCheckpointFind(checkpoint, name), tensor);
  }
  assert_null(mambaCheckpointFind(checkpoint, "e"));
}

static void testSampleModel(void **state) {
  (void)state;
  static const char *const paths[] = {"../models/tiny", "../models/tiny/model.safetensors"};
  for (int i = 0; i < 2; i++) {
    MambaCheckpoint *checkpoint = openOrFail(paths[i]);
    assert_int_equal(mambaCheckpointGetCount(checkpoint), 122);
    const MambaTensorView *tensor =
        mambaCheckpointFind(checkpoint, "backbone.layers.3.mixer.out_proj.weight");
    assert_non_null(tensor);
    assert_int_equal(tensor->dtype, MAMBA_DTYPE_F16);
    assert_int_equal(tensor->rank, 2);
    assert_int_equal(tensor->shape[0], 256);
    assert_int_equal(tensor->shape[1], 512);
    for (size_t j = 1; j < 122; j++)
      assert_true(
          strcmp(mambaCheckpointGet(checkpoint, j - 1)->name, mambaCheckpointGet(checkpoint, j)->name) < 0);
    /* Computed once by Python's xxhash from the definition in mamba/checkpoint.h. */
    assert_string_equal(mambaCheckpointGetHash(checkpoint), "xxh3:fc0e5e18a1bd0403");
    mambaCheckpointClose(checkpoint);
  }
}

static void testShardsEqualSingleFile(void **state) {
  (void)state;
  char hash[32];
  writeTensors("single.safetensors", "dbca");
  MambaCheckpoint *single = openOrFail(tempDirPath(&dir, "single.safetensors"));
  expectAbcd(single);
  snprintf(hash, sizeof hash, "%s", mambaCheckpointGetHash(single));
  assert_string_equal(mambaCheckpointGetHash(single), hash);
  mambaCheckpointClose(single);

  writeTensors("one.safetensors", "ca");
  writeTensors("two.safetensors", "bd");
  tempDirWriteText(&dir, "model.safetensors.index.json",
                   "{\"metadata\":{\"total_size\":12},\"weight_map\":{\"a\":\"one.safetensors\","
                   "\"b\":\"two.safetensors\",\"c\":\"one.safetensors\",\"d\":\"two.safetensors\"}}");
  MambaCheckpoint *sharded = openOrFail(dir.path);
  expectAbcd(sharded);
  assert_string_equal(mambaCheckpointGetHash(sharded), hash);
  mambaCheckpointClose(sharded);
}

/* Same total bytes, another name: another fingerprint. */
static void testHashCoversNames(void **state) {
  (void)state;
  writeTensors("x.safetensors", "x");
  writeTensors("y.safetensors", "y");
  MambaCheckpoint *x = openOrFail(tempDirPath(&dir, "x.safetensors"));
  MambaCheckpoint *y = openOrFail(tempDirPath(&dir, "y.safetensors"));
  assert_int_equal(strlen(mambaCheckpointGetHash(x)), 21);
  assert_memory_equal(mambaCheckpointGetHash(x), "xxh3:", 5);
  assert_string_not_equal(mambaCheckpointGetHash(x), mambaCheckpointGetHash(y));
  mambaCheckpointClose(x);
  mambaCheckpointClose(y);
}

static void testHashCoversDtypeShapeAndData(void **state) {
  (void)state;
  static const struct {
    MambaDtype dtype;
    int64_t shape[2];
    const char *data;
  } variants[] = {{MAMBA_DTYPE_U8, {2, 3}, "abcdef"},
                  {MAMBA_DTYPE_I8, {2, 3}, "abcdef"},
                  {MAMBA_DTYPE_U8, {3, 2}, "abcdef"},
                  {MAMBA_DTYPE_U8, {2, 3}, "abcdeg"}};
  char hashes[4][32];
  for (int i = 0; i < 4; i++) {
    MambaSafetensorsWriter *writer;
    MambaError error;
    const char *path = tempDirPath(&dir, "variant.safetensors");
    assert_int_equal(mambaSafetensorsWriterCreate(path, &writer, &error), MAMBA_OK);
    assert_int_equal(
        mambaSafetensorsWriterDeclare(writer, "t", variants[i].dtype, 2, variants[i].shape, &error),
        MAMBA_OK);
    assert_int_equal(mambaSafetensorsWriterAppend(writer, "t", variants[i].data, 6, &error), MAMBA_OK);
    assert_int_equal(mambaSafetensorsWriterFinish(writer, &error), MAMBA_OK);
    mambaSafetensorsWriterDestroy(writer);
    MambaCheckpoint *checkpoint = openOrFail(path);
    snprintf(hashes[i], sizeof hashes[i], "%s", mambaCheckpointGetHash(checkpoint));
    mambaCheckpointClose(checkpoint);
    for (int j = 0; j < i; j++)
      assert_string_not_equal(hashes[i], hashes[j]);
  }
}

static void testSingleFileComesFirst(void **state) {
  (void)state;
  tempDirWriteText(&dir, "model.safetensors.index.json", "not even JSON");
  writeTensors("model.safetensors", "a");
  MambaCheckpoint *checkpoint = openOrFail(dir.path);
  assert_int_equal(mambaCheckpointGetCount(checkpoint), 1);
  mambaCheckpointClose(checkpoint);
  assert_int_equal(remove(tempDirPath(&dir, "model.safetensors")), 0);
  expectRefused(dir.path, MAMBA_INVALID, "model.safetensors.index.json: not valid JSON");
}

static void testNothingThere(void **state) {
  (void)state;
  TempDir empty;
  tempDirCreate(&empty);
  expectRefused(tempDirPath(&empty, "absent"), MAMBA_IO, "absent: cannot open");
  expectRefused(empty.path, MAMBA_IO,
                "expected model.safetensors, model.safetensors.index.json or pytorch_model.bin in the folder");
  tempDirWriteText(&empty, "pytorch_model.bin", "");
  expectRefused(empty.path, MAMBA_INVALID, "pytorch_model.bin: not a whole ZIP archive");
  tempDirRemove(&empty);
}

static void testIndexWithoutMap(void **state) {
  (void)state;
  expectIndexRefused("[]", MAMBA_INVALID, "expected a JSON object, found []");
  expectIndexRefused("{}", MAMBA_INVALID, "expected an object of tensors as weight_map, found nothing");
  expectIndexRefused("{\"weight_map\":[]}", MAMBA_INVALID, "as weight_map, found []");
  expectIndexRefused("{\"weight_map\":{}}", MAMBA_INVALID, "as weight_map, found {}");
  expectIndexRefused("{\"weight_map\":{\"a\":\"x.safetensors\",\"a\":\"x.safetensors\"}}", MAMBA_INVALID,
                     "duplicate object key");
}

/* All of these would be found if they were followed. */
static void testShardOutsideFolder(void **state) {
  (void)state;
  static const char *const names[] = {
      "../x.safetensors", "./x.safetensors", "/tmp/x.safetensors", "..\\\\x.safetensors", "",
      ".safetensors",     "x.bin",           "x.safetensors/.."};
  writeTensors("x.safetensors", "a");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char index[128];
    snprintf(index, sizeof index, "{\"weight_map\":{\"a\":\"%s\"}}", names[i]);
    expectIndexRefused(index, MAMBA_INVALID,
                       "tensor 'a': expected the name of a .safetensors file in the same folder, found");
  }
  expectIndexRefused("{\"weight_map\":{\"a\":1}}", MAMBA_INVALID, "in the same folder, found 1");
}

static void testIndexAndShardsDisagree(void **state) {
  (void)state;
  writeTensors("one.safetensors", "ac");
  writeTensors("two.safetensors", "b");
  expectIndexRefused(
      "{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"one.safetensors\",\"b\":\"three.safetensors\"}}",
      MAMBA_IO, "three.safetensors: cannot open: No such file");
  expectIndexRefused("{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}", MAMBA_INVALID,
                     "tensor 'c' of shard one.safetensors is not in weight_map");
  expectIndexRefused(
      "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\",\"c\":\"one.safetensors\","
      "\"d\":\"two.safetensors\"}}",
      MAMBA_INVALID, "tensor 'd' is not in its shard two.safetensors");
  expectIndexRefused(
      "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\",\"c\":\"two.safetensors\"}}",
      MAMBA_INVALID, "tensor 'c': expected it in shard two.safetensors, found it in one.safetensors");
  /* The same tensor in two shards. */
  writeTensors("two.safetensors", "ab");
  expectIndexRefused(
      "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\",\"c\":\"one.safetensors\"}}",
      MAMBA_INVALID, "tensor 'a': expected it in shard one.safetensors, found it in two.safetensors");
}

static void testDamagedShard(void **state) {
  (void)state;
  writeTensors("one.safetensors", "a");
  tempDirWriteText(&dir, "two.safetensors", "short");
  expectIndexRefused("{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}", MAMBA_INVALID,
                     "two.safetensors: expected 8 bytes of header length");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testSampleModel),
      cmocka_unit_test(testShardsEqualSingleFile),
      cmocka_unit_test(testHashCoversNames),
      cmocka_unit_test(testHashCoversDtypeShapeAndData),
      cmocka_unit_test(testSingleFileComesFirst),
      cmocka_unit_test(testNothingThere),
      cmocka_unit_test(testIndexWithoutMap),
      cmocka_unit_test(testShardOutsideFolder),
      cmocka_unit_test(testIndexAndShardsDisagree),
      cmocka_unit_test(testDamagedShard),
  };
  return cmocka_run_group_tests(tests, createDir, removeDir);
}
