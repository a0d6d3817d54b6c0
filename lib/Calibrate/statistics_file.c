#include "statistics_file.h"

#include "mamba/json.h"
#include "mamba/output_file.h"
#include "mamba/safetensors_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, MAX_NAME = 512 };

/* The name of a record's value as a C string. */
static const char *nameOf(const SiteRecord *record, char text[MAX_NAME]) {
  const MlirStringRef name = mambaValueName(record->value);
  snprintf(text, MAX_NAME, "%.*s", (int)name.length, name.data);
  return text;
}

MambaStatus statisticsFileCheckNames(const Collector *collector, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  json_t *names = json_object();
  for (size_t i = 0; i < collector->count && !status; i++) {
    char name[MAX_NAME];
    const MlirStringRef ref = mambaValueName(collector->records[i].value);
    if (!ref.length || ref.length >= MAX_NAME)
      status = mambaFail(
          error, MAMBA_INVALID,
          "expected a name of 1 to %d bytes for every value that goes into a statistics file, found one "
          "of %zu; was the IR printed without locations?",
          MAX_NAME - 1, ref.length);
    else if (json_object_get(names, nameOf(&collector->records[i], name)))
      status = mambaFail(error, MAMBA_INVALID,
                         "expected one value of each name in a statistics file, found two '%s'", name);
    else if (json_object_set_new(names, name, json_true()))
      status =
          mambaFail(error, MAMBA_INVALID, "expected names in UTF-8 for a statistics file, found '%s'", name);
  }
  json_decref(names);
  return status;
}

/* ---- Writing ---------------------------------------------------------------------------------------- */

typedef struct Sink {
  MambaOutputFile *file;
  MambaStatus status;
  MambaError *error;
} Sink;

static int writeText(const char *text, size_t size, void *context) {
  Sink *sink = context;
  sink->status = mambaOutputFileWrite(sink->file, text, size, sink->error);
  return sink->status ? -1 : 0;
}

static json_t *describe(const CalibrationKey *key, json_t *sites) {
  return json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:o}", "version", VERSION, "model", key->model, "data",
                   key->data, "samples", (json_int_t)key->samples, "length", (json_int_t)key->length, "seed",
                   (json_int_t)key->seed, "sites", sites);
}

MambaStatus statisticsFileWrite(const char *path, const CalibrationKey *key, const Collector *collector,
                                MambaError *error) {
  json_t *root = NULL, *sites = json_object();
  Sink sink = {.error = error};
  MambaStatus status = MAMBA_OK;
  for (size_t i = 0; i < collector->count && !status; i++) {
    char name[MAX_NAME];
    json_t *record = NULL;
    status = mambaStatisticsToJson(collector->records[i].statistics, &record, error);
    if (!status && json_object_set_new(sites, nameOf(&collector->records[i], name), record))
      status = mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for the statistics of '%s'", path, name);
  }
  if (!status && !(root = describe(key, json_incref(sites))))
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for the statistics", path);
  if (!status)
    status = mambaOutputFileCreate(path, &sink.file, error);
  if (status)
    goto cleanup;
  if (json_dump_callback(root, writeText, &sink, JSON_COMPACT)) {
    status =
        sink.status ? sink.status : mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for the text", path);
    goto cleanup;
  }
  status = mambaOutputFileWrite(sink.file, "\n", 1, error);
  if (!status)
    status = mambaOutputFileCommit(sink.file, error);
cleanup:
  mambaOutputFileDestroy(sink.file);
  json_decref(root);
  json_decref(sites);
  return status;
}

MambaStatus channelFileWrite(const char *path, const Collector *collector, MambaError *error) {
  MambaSafetensorsWriter *writer = NULL;
  char name[MAX_NAME], key[MAX_NAME + 8];
  MambaStatus status = mambaSafetensorsWriterCreate(path, &writer, error);
  for (size_t i = 0; i < collector->count && !status; i++) {
    const int64_t channels = mambaStatisticsGetChannels(collector->records[i].statistics);
    snprintf(key, sizeof key, "%s.absmax", nameOf(&collector->records[i], name));
    status = mambaSafetensorsWriterDeclare(writer, key, MAMBA_DTYPE_F32, 1, &channels, error);
  }
  for (size_t i = 0; i < collector->count && !status; i++) {
    const MambaStatistics *statistics = collector->records[i].statistics;
    snprintf(key, sizeof key, "%s.absmax", nameOf(&collector->records[i], name));
    status =
        mambaSafetensorsWriterAppend(writer, key, mambaStatisticsGetChannelAbsmax(statistics),
                                     (size_t)mambaStatisticsGetChannels(statistics) * sizeof(float), error);
  }
  if (!status)
    status = mambaSafetensorsWriterFinish(writer, error);
  mambaSafetensorsWriterDestroy(writer);
  return status;
}

/* ---- Reading ---------------------------------------------------------------------------------------- */

/* Compares what the file says it was made of with what is wanted now. */
static MambaStatus checkKey(const char *path, const json_t *root, const CalibrationKey *key,
                            MambaError *error) {
  json_t *wanted = describe(key, json_object());
  MambaStatus status = wanted ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory", path);
  const char *member;
  json_t *value;
  json_object_foreach(wanted, member, value) {
    const json_t *found = json_object_get(root, member);
    char expected_text[MAMBA_JSON_TEXT], found_text[MAMBA_JSON_TEXT];
    if (!status && strcmp(member, "sites") != 0 && !json_equal(value, found))
      status = mambaFail(
          error, MAMBA_INVALID,
          "%s: made by another calibration: expected \"%s\": %s, found %s; remove the file or name "
          "another one",
          path, member, mambaJsonDescribe(value, expected_text), mambaJsonDescribe(found, found_text));
  }
  json_decref(wanted);
  return status;
}

MambaStatus statisticsFileRead(const char *path, const CalibrationKey *key, Collector *collector,
                               MambaError *error) {
  json_t *root = NULL;
  MambaStatus status = mambaJsonReadObject(path, &root, error);
  if (!status)
    status = checkKey(path, root, key, error);
  const json_t *sites = json_object_get(root, "sites");
  for (size_t i = 0; i < collector->count && !status; i++) {
    SiteRecord *record = &collector->records[i];
    char name[MAX_NAME];
    const json_t *object = json_object_get(sites, nameOf(record, name));
    const int64_t channels = mambaChannels(record->value);
    if (!object)
      status = mambaFail(error, MAMBA_INVALID, "%s: expected statistics of '%s', found none", path, name);
    else if ((status = mambaStatisticsFromJson(object, name, &record->statistics, error)))
      mambaFailContext(error, "%s", path);
    else if (mambaStatisticsGetChannels(record->statistics) != channels)
      status = mambaFail(error, MAMBA_INVALID, "%s: '%s': expected %" PRId64 " channels, found %" PRId64,
                         path, name, channels, mambaStatisticsGetChannels(record->statistics));
  }
  json_decref(root);
  return status;
}
