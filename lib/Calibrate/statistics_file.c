#include "statistics_file.h"

#include "mamba/json.h"
#include "mamba/mapped_file.h"
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

static json_t *describe(const CalibrationKey *key) {
  return json_pack("{s:i, s:s, s:s, s:I, s:I, s:I}", "version", VERSION, "model", key->model, "data",
                   key->data, "samples", (json_int_t)key->samples, "length", (json_int_t)key->length, "seed",
                   (json_int_t)key->seed);
}

static void put(Sink *sink, const char *text) {
  if (!sink->status)
    sink->status = mambaOutputFileWrite(sink->file, text, strlen(text), sink->error);
}

/* Takes the value, NULL where there was no memory for it. */
static void putJson(Sink *sink, json_t *value, size_t flags) {
  if (!sink->status && (!value || json_dump_callback(value, writeText, sink, flags | JSON_COMPACT)) &&
      !sink->status)
    sink->status = mambaFail(sink->error, MAMBA_NO_MEMORY, "no memory for the statistics");
  json_decref(value);
}

/* A record at a time, each on a line of its own: all of them as trees would take many times what they say. */
MambaStatus statisticsFileWrite(const char *path, const CalibrationKey *key, const Collector *collector,
                                MambaError *error) {
  Sink sink = {.error = error};
  sink.status = mambaOutputFileCreate(path, &sink.file, error);
  put(&sink, "{");
  putJson(&sink, describe(key), JSON_EMBED);
  put(&sink, ",\"sites\":{");
  for (size_t i = 0; i < collector->count && !sink.status; i++) {
    char name[MAX_NAME];
    json_t *record = NULL;
    put(&sink, i ? ",\n" : "\n");
    putJson(&sink, json_string(nameOf(&collector->records[i], name)), JSON_ENCODE_ANY);
    put(&sink, ":");
    if (!sink.status)
      sink.status = mambaStatisticsToJson(collector->records[i].statistics, &record, error);
    if (!sink.status)
      putJson(&sink, record, 0);
  }
  put(&sink, "\n}}\n");
  if (!sink.status)
    sink.status = mambaOutputFileCommit(sink.file, error);
  mambaOutputFileDestroy(sink.file);
  return sink.status;
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
  json_t *wanted = describe(key);
  MambaStatus status = wanted ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory", path);
  const char *member;
  json_t *value;
  json_object_foreach(wanted, member, value) {
    const json_t *found = json_object_get(root, member);
    char expected_text[MAMBA_JSON_TEXT], found_text[MAMBA_JSON_TEXT];
    if (!status && !json_equal(value, found))
      status = mambaFail(
          error, MAMBA_INVALID,
          "%s: made by another calibration: expected \"%s\": %s, found %s; remove the file or name "
          "another one",
          path, member, mambaJsonDescribe(value, expected_text), mambaJsonDescribe(found, found_text));
  }
  json_decref(wanted);
  return status;
}

/* The record of a name; NULL for a value that the module does not have. Names come in the order of the
 * records. */
static SiteRecord *findRecord(Collector *collector, const char *wanted, size_t *next) {
  char name[MAX_NAME];
  for (size_t i = 0; i < collector->count; i++, *next = (*next + 1) % collector->count)
    if (!strcmp(nameOf(&collector->records[*next], name), wanted))
      return &collector->records[*next];
  return NULL;
}

static MambaStatus readRecord(const json_t *object, const char *name, SiteRecord *record, const char *path,
                              MambaError *error) {
  const int64_t channels = mambaChannels(record->value);
  if (record->statistics)
    return mambaFail(error, MAMBA_INVALID, "%s: expected one '%s', found two", path, name);
  if (mambaStatisticsFromJson(object, name, &record->statistics, error))
    return mambaFailContext(error, "%s", path);
  if (mambaStatisticsGetChannels(record->statistics) != channels)
    return mambaFail(error, MAMBA_INVALID, "%s: '%s': expected %" PRId64 " channels, found %" PRId64, path,
                     name, channels, mambaStatisticsGetChannels(record->statistics));
  return MAMBA_OK;
}

static MambaStatus readSites(MambaJsonCursor *cursor, Collector *collector, MambaError *error) {
  char *name = NULL;
  size_t next = 0;
  MambaStatus status = mambaJsonEnter(cursor, error);
  while (!status && !(status = mambaJsonNextKey(cursor, &name, error)) && name) {
    const size_t begin = cursor->at;
    json_t *object = NULL;
    SiteRecord *record = findRecord(collector, name, &next);
    status = mambaJsonNextValue(cursor, &object, error);
    if (!status && record)
      status = readRecord(object, name, record, cursor->label, error);
    mambaMappedFileRelease(cursor->text + begin, cursor->at - begin);
    json_decref(object);
    free(name);
  }
  return status;
}

/* The sites come last: what was read before tells whether they are wanted. */
MambaStatus statisticsFileRead(const char *path, const CalibrationKey *key, Collector *collector,
                               MambaError *error) {
  MambaMappedFile file = {NULL, 0};
  MambaJsonCursor cursor = {.label = path};
  json_t *head = json_object();
  char *member = NULL;
  bool is_checked = false;
  MambaStatus status = mambaMappedFileOpen(path, &file, error);
  cursor.text = file.data;
  cursor.size = file.size;
  if (!status)
    status = mambaJsonEnter(&cursor, error);
  while (!status && !(status = mambaJsonNextKey(&cursor, &member, error)) && member) {
    json_t *value = NULL;
    if (!strcmp(member, "sites") && !is_checked) {
      is_checked = true;
      status = checkKey(path, head, key, error);
      if (!status)
        status = readSites(&cursor, collector, error);
    } else {
      status = mambaJsonNextValue(&cursor, &value, error);
      if (!status && json_object_set_new(head, member, value))
        status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", path);
    }
    free(member);
  }
  if (!status)
    status = mambaJsonEnd(&cursor, error);
  if (!status && !is_checked)
    status = checkKey(path, head, key, error);
  for (size_t i = 0; i < collector->count && !status; i++) {
    char name[MAX_NAME];
    if (!collector->records[i].statistics)
      status = mambaFail(error, MAMBA_INVALID, "%s: expected statistics of '%s', found none", path,
                         nameOf(&collector->records[i], name));
  }
  json_decref(head);
  mambaMappedFileClose(&file);
  return status;
}
