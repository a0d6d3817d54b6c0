#include "statistics_file.h"

#include "mamba/calibrate.h"
#include "mamba/json.h"
#include "mamba/mapped_file.h"
#include "mamba/output_file.h"
#include "mamba/safetensors_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 2, MAX_NAME = 512 };

/* The name of a record's value as a C string. */
static const char *nameOf(const SiteRecord *record, char text[MAX_NAME]) {
  snprintf(text, MAX_NAME, "%.*s", (int)record->name.length, record->name.data);
  return text;
}

MambaStatus statisticsFileCheckNames(const Collector *collector, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  json_t *names = json_object();
  for (size_t i = 0; i < collector->count && !status; i++) {
    char name[MAX_NAME];
    const MlirStringRef ref = collector->records[i].name;
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
  return json_pack("{s:i, s:s, s:I, s:I, s:I, s:s}", "version", VERSION, "model", key->model, "samples",
                   (json_int_t)key->samples, "length", (json_int_t)key->length, "seed", (json_int_t)key->seed,
                   "data", key->data);
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

/* What a file says it was made of, and what it means when that is something else. */
static const struct {
  const char *name, *reason;
  bool adds_up; /* over the parts of a calibration */
} kMembers[] = {
    {"version", "written by another version of this program", false},
    {"model", "of another model, or after other passes", false},
    {"samples", "of another number of samples", true},
    {"length", "of samples of another length", false},
    {"seed", "of text from another seed", false},
    {"data", "of other text", true},
};

/* Compares what the file says with what is wanted; of parts, what adds up may differ. */
static MambaStatus checkKey(const char *path, const json_t *head, const CalibrationKey *key, bool parts,
                            MambaError *error) {
  json_t *wanted = describe(key);
  MambaStatus status = wanted ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory", path);
  for (size_t i = 0; i < sizeof kMembers / sizeof kMembers[0] && !status; i++) {
    const json_t *expected = json_object_get(wanted, kMembers[i].name),
                 *found = json_object_get(head, kMembers[i].name);
    char expected_text[MAMBA_JSON_TEXT], found_text[MAMBA_JSON_TEXT];
    if (!json_equal(expected, found) && !(parts && kMembers[i].adds_up))
      status = mambaFail(error, MAMBA_INVALID, "%s: statistics %s: expected \"%s\": %s, found %s; %s", path,
                         kMembers[i].reason, kMembers[i].name, mambaJsonDescribe(expected, expected_text),
                         mambaJsonDescribe(found, found_text),
                         parts ? "only parts of one calibration can be merged"
                               : "remove the file or name another one");
  }
  json_decref(wanted);
  return status;
}

/* What is done with a file: its description, then its records, a tree at a time. */
typedef struct Reader {
  MambaStatus (*head)(void *context, const char *path, const json_t *head, MambaError *error);
  MambaStatus (*record)(void *context, const char *path, const char *name, const json_t *object,
                        MambaError *error);
  void *context;
} Reader;

static MambaStatus readSites(MambaJsonCursor *cursor, const Reader *reader, MambaError *error) {
  char *name = NULL;
  MambaStatus status = mambaJsonEnter(cursor, error);
  while (!status && !(status = mambaJsonNextKey(cursor, &name, error)) && name) {
    const size_t begin = cursor->at;
    json_t *object = NULL;
    status = mambaJsonNextValue(cursor, &object, error);
    if (!status)
      status = reader->record(reader->context, cursor->label, name, object, error);
    mambaMappedFileRelease(cursor->text + begin, cursor->at - begin);
    json_decref(object);
    free(name);
  }
  return status;
}

/* The sites come last: what was read before tells whether they are wanted. */
static MambaStatus readFile(const char *path, const Reader *reader, MambaError *error) {
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
      status = reader->head(reader->context, path, head, error);
      if (!status)
        status = readSites(&cursor, reader, error);
    } else {
      status = mambaJsonNextValue(&cursor, &value, error);
      if (!status && json_object_get(head, member)) {
        status = mambaFail(error, MAMBA_INVALID, "%s: expected one \"%s\", found two", path, member);
        json_decref(value);
      } else if (!status && json_object_set_new(head, member, value))
        status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", path);
    }
    free(member);
  }
  if (!status)
    status = mambaJsonEnd(&cursor, error);
  if (!status && !is_checked)
    status = reader->head(reader->context, path, head, error);
  json_decref(head);
  mambaMappedFileClose(&file);
  return status;
}

/* ---- Reading for a module ---------------------------------------------------------------------------- */

typedef struct Reuse {
  const CalibrationKey *key;
  Collector *collector;
  size_t next; /* where the search for a record begins */
} Reuse;

static MambaStatus reuseHead(void *context, const char *path, const json_t *head, MambaError *error) {
  const Reuse *reuse = context;
  return checkKey(path, head, reuse->key, false, error);
}

/* The record of a name; NULL for a value that the module does not have. Names come in the order of the
 * records. */
static SiteRecord *findRecord(Reuse *reuse, const char *wanted) {
  const Collector *collector = reuse->collector;
  char name[MAX_NAME];
  for (size_t i = 0; i < collector->count; i++, reuse->next = (reuse->next + 1) % collector->count)
    if (!strcmp(nameOf(&collector->records[reuse->next], name), wanted))
      return &collector->records[reuse->next];
  return NULL;
}

static MambaStatus reuseRecord(void *context, const char *path, const char *name, const json_t *object,
                               MambaError *error) {
  SiteRecord *record = findRecord(context, name);
  if (!record)
    return MAMBA_OK;
  if (record->statistics)
    return mambaFail(error, MAMBA_INVALID, "%s: expected one '%s', found two", path, name);
  if (mambaStatisticsFromJson(object, name, &record->statistics, error))
    return mambaFailContext(error, "%s", path);
  if (mambaStatisticsGetChannels(record->statistics) != record->channels)
    return mambaFail(error, MAMBA_INVALID, "%s: '%s': expected %" PRId64 " channels, found %" PRId64, path,
                     name, record->channels, mambaStatisticsGetChannels(record->statistics));
  return MAMBA_OK;
}

MambaStatus statisticsFileRead(const char *path, const CalibrationKey *key, Collector *collector,
                               MambaError *error) {
  Reuse reuse = {.key = key, .collector = collector};
  MambaStatus status = readFile(path, &(Reader){reuseHead, reuseRecord, &reuse}, error);
  for (size_t i = 0; i < collector->count && !status; i++) {
    char name[MAX_NAME];
    if (!collector->records[i].statistics)
      status = mambaFail(error, MAMBA_INVALID, "%s: expected statistics of '%s', found none", path,
                         nameOf(&collector->records[i], name));
  }
  return status;
}

/* ---- Merging ----------------------------------------------------------------------------------------- */

/* The files read so far as one. Records have names and statistics only; the names are its own. */
typedef struct Merge {
  CalibrationKey key;
  Collector sum;
  size_t capacity;
  bool is_first; /* file */
  size_t next;   /* the record that must come next */
} Merge;

/* What a file's description says; false where a member is missing or has no value of its kind. */
static bool parseKey(const json_t *head, CalibrationKey *key) {
  const char *model = json_string_value(json_object_get(head, "model")),
             *data = json_string_value(json_object_get(head, "data"));
  uint64_t hash;
  key->samples = json_integer_value(json_object_get(head, "samples"));
  key->length = json_integer_value(json_object_get(head, "length"));
  key->seed = json_integer_value(json_object_get(head, "seed"));
  if (!model || !data || !fingerprintParse(data, &hash) || key->samples < 1)
    return false;
  snprintf(key->model, sizeof key->model, "%s", model);
  snprintf(key->data, sizeof key->data, "%s", data);
  return true;
}

static MambaStatus mergeHead(void *context, const char *path, const json_t *head, MambaError *error) {
  Merge *m = context;
  CalibrationKey found;
  const bool valid = parseKey(head, &found);
  if (m->is_first && valid)
    m->key = found;
  if (!valid)
    return mambaFail(error, MAMBA_INVALID, "%s: expected a statistics file, found another one", path);
  const MambaStatus status = checkKey(path, head, &m->key, true, error);
  if (status || m->is_first)
    return status;
  uint64_t sum, more;
  const size_t kind = strcspn(m->key.data, ":");
  char name[FINGERPRINT_TEXT];
  if (strncmp(m->key.data, found.data, kind + 1) != 0 || m->key.samples > INT64_MAX - found.samples ||
      !fingerprintParse(m->key.data, &sum) || !fingerprintParse(found.data, &more))
    return mambaFail(error, MAMBA_INVALID,
                     "%s: expected \"data\" of the first file's kind, \"%.*s:...\", found \"%s\"", path,
                     (int)kind, m->key.data, found.data);
  snprintf(name, sizeof name, "%.*s", (int)kind, m->key.data);
  m->key.samples += found.samples;
  fingerprintFormat(name, sum + more, m->key.data);
  return MAMBA_OK;
}

/* Takes the statistics. */
static MambaStatus appendRecord(Merge *m, const char *path, const char *name, MambaStatistics *statistics,
                                MambaError *error) {
  char *copy = strdup(name);
  if (m->sum.count == m->capacity && copy) {
    const size_t capacity = m->capacity ? 2 * m->capacity : 256;
    SiteRecord *larger = realloc(m->sum.records, capacity * sizeof *larger);
    m->sum.records = larger ? larger : m->sum.records;
    m->capacity = larger ? capacity : m->capacity;
  }
  if (!copy || m->sum.count == m->capacity) {
    free(copy);
    mambaStatisticsDestroy(statistics);
    return mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for the statistics of '%s'", path, name);
  }
  m->sum.records[m->sum.count++] = (SiteRecord){.name = mambaRef(copy), .statistics = statistics};
  return MAMBA_OK;
}

/* Every file has the records of the first one, in its order. */
static MambaStatus mergeRecord(void *context, const char *path, const char *name, const json_t *object,
                               MambaError *error) {
  Merge *m = context;
  MambaStatistics *statistics = NULL;
  char expected[MAX_NAME];
  SiteRecord *record = m->next < m->sum.count ? &m->sum.records[m->next] : NULL;
  if (!m->is_first && (!record || !mambaRefIs(record->name, name)))
    return mambaFail(error, MAMBA_INVALID, "%s: expected statistics of %s%s%s, found those of '%s'", path,
                     record ? "'" : "", record ? nameOf(record, expected) : "no more values",
                     record ? "'" : "", name);
  m->next++;
  if (mambaStatisticsFromJson(object, name, &statistics, error))
    return mambaFailContext(error, "%s", path);
  if (m->is_first)
    return appendRecord(m, path, name, statistics, error);
  const MambaStatus status = mambaStatisticsMerge(record->statistics, statistics, error);
  mambaStatisticsDestroy(statistics);
  return status ? mambaFailContext(error, "%s: %s", path, name) : MAMBA_OK;
}

MambaStatus mambaStatisticsFilesMerge(const char *const *paths, size_t count, const char *output,
                                      MambaError *error) {
  Merge m = {.next = 0};
  MambaStatus status = MAMBA_OK;
  for (size_t i = 0; i < count && !status; i++) {
    m.is_first = i == 0;
    m.next = 0;
    status = readFile(paths[i], &(Reader){mergeHead, mergeRecord, &m}, error);
    if (!status && m.next != m.sum.count)
      status = mambaFail(error, MAMBA_INVALID, "%s: expected statistics of %zu values, found %zu", paths[i],
                         m.sum.count, m.next);
  }
  if (!status)
    status = statisticsFileWrite(output, &m.key, &m.sum, error);
  for (size_t i = 0; i < m.sum.count; i++)
    free((char *)(uintptr_t)m.sum.records[i].name.data);
  collectorDestroy(&m.sum);
  return status;
}
