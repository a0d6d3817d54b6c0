#include "choices.h"

#include "mamba/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTRIBUTE "mamba.choices"

static const char *const kSuffixes[CHOICE_PROPERTIES] = {"", ".rotate", ".smooth", ".clamp"};

static bool hasProperty(SiteKind site, ChoiceProperty property) {
  switch (property) {
  case CHOICE_ROTATE:
    return site == SITE_IN || site == SITE_Y || site == SITE_HEAD;
  case CHOICE_SMOOTH:
    return site == SITE_IN || site == SITE_Y;
  case CHOICE_CLAMP:
    return site == SITE_U;
  default:
    return true;
  }
}

/* "y.rotate" */
static MambaStatus parseKey(MlirStringRef key, Choice *choice, MambaError *error) {
  char expected[256], keys[CHOICE_PROPERTIES][32];
  const char *names[CHOICE_PROPERTIES];
  size_t count = 0;
  const char *dot = memchr(key.data, '.', key.length);
  const size_t split = dot ? (size_t)(dot - key.data) : key.length;
  choice->site = siteNamed(mlirStringRefCreate(key.data, split));
  if (choice->site == SITE_COUNT) {
    mambaSuggestDescribe(key.data, split, kSiteNames, SITE_COUNT, sizeof *kSiteNames, expected,
                         sizeof expected);
    return mambaFail(error, MAMBA_INVALID, "%s", expected);
  }
  for (int property = 0; property < CHOICE_PROPERTIES; property++) {
    if (!hasProperty(choice->site, (ChoiceProperty)property))
      continue;
    snprintf(keys[count], sizeof keys[count], "%s%s", kSiteNames[choice->site], kSuffixes[property]);
    if (mambaRefIs(key, keys[count])) {
      choice->property = (ChoiceProperty)property;
      return MAMBA_OK;
    }
    names[count] = keys[count];
    count++;
  }
  mambaSuggestDescribe(key.data, key.length, names, count, sizeof *names, expected, sizeof expected);
  return mambaFail(error, MAMBA_INVALID, "%s", expected);
}

/* A number from 0 to `limit`, or "no". */
static bool parseNumber(MlirStringRef text, double limit, Choice *choice) {
  char number[32], *end;
  choice->enabled = !mambaRefIs(text, "no");
  if (!choice->enabled)
    return true;
  if (!text.length || text.length >= sizeof number)
    return false;
  memcpy(number, text.data, text.length);
  number[text.length] = 0;
  choice->number = strtod(number, &end);
  return !*end && choice->number >= 0 && choice->number <= limit;
}

MambaStatus choiceParse(MlirStringRef entry, Choice *choice, MambaError *error) {
  const char *equals = memchr(entry.data, '=', entry.length);
  const size_t split = equals ? (size_t)(equals - entry.data) : entry.length;
  const MlirStringRef key = mlirStringRefCreate(entry.data, split);
  const MlirStringRef value =
      equals ? mlirStringRefCreate(equals + 1, entry.length - split - 1) : mambaRef("");
  Choice parsed = {.property = CHOICE_STORAGE};
  const MambaStatus status = parseKey(key, &parsed, error);
  if (status)
    return status;
  const char *expected = NULL;
  switch (parsed.property) {
  case CHOICE_ROTATE:
    parsed.enabled = mambaRefIs(value, "yes");
    expected = parsed.enabled || mambaRefIs(value, "no") ? NULL : "yes or no";
    break;
  case CHOICE_SMOOTH:
    expected = parseNumber(value, 1, &parsed) ? NULL : "a strength from 0 to 1, or no";
    break;
  case CHOICE_CLAMP:
    expected = parseNumber(value, 100, &parsed) ? NULL : "a percentile from 0 to 100, or no";
    break;
  default:
    break;
  }
  if (expected)
    return mambaFail(error, MAMBA_INVALID, "%.*s: expected %s, found '%.*s'", (int)key.length, key.data,
                     expected, (int)value.length, value.data);
  *choice = parsed;
  return parsed.property == CHOICE_STORAGE ? storageParse(parsed.site, value, &choice->storage, error)
                                           : MAMBA_OK;
}

static MlirAttribute dictionaryOf(MlirOperation op) {
  const MlirAttribute none = {NULL};
  const MlirAttribute found = mlirOperationGetDiscardableAttributeByName(op, mambaRef(ATTRIBUTE));
  return !mlirAttributeIsNull(found) && mlirAttributeIsADictionary(found) ? found : none;
}

bool choiceGet(Site site, SiteKind kind, ChoiceProperty property, Choice *choice, bool *given) {
  char key[32], entry[128];
  const MlirAttribute choices = dictionaryOf(site.reader);
  snprintf(key, sizeof key, "%s%s", kSiteNames[kind], kSuffixes[property]);
  const MlirAttribute value =
      mlirAttributeIsNull(choices) ? choices : mlirDictionaryAttrGetElementByName(choices, mambaRef(key));
  *given = !mlirAttributeIsNull(value);
  if (!*given)
    return true;
  MambaError error;
  const MlirStringRef text = mlirAttributeIsAString(value) ? mlirStringAttrGetValue(value) : mambaRef("");
  snprintf(entry, sizeof entry, "%s=%.*s", key, (int)text.length, text.data);
  if (choiceParse(mambaRef(entry), choice, &error) == MAMBA_OK)
    return true;
  mambaEmitError(site.reader, ATTRIBUTE ": %s", error.message);
  return false;
}

void choiceSet(MlirOperation reader, MlirStringRef entry) {
  enum { MAX_CHOICES = SITE_COUNT * CHOICE_PROPERTIES };
  const MlirContext context = mlirOperationGetContext(reader);
  const char *equals = memchr(entry.data, '=', entry.length);
  const MlirStringRef key = mlirStringRefCreate(entry.data, (size_t)(equals - entry.data));
  const MlirStringRef value = mlirStringRefCreate(equals + 1, entry.length - key.length - 1);
  MlirNamedAttribute list[MAX_CHOICES + 1];
  intptr_t count = 0;
  const MlirAttribute old = dictionaryOf(reader);
  const intptr_t old_count = mlirAttributeIsNull(old) ? 0 : mlirDictionaryAttrGetNumElements(old);
  for (intptr_t i = 0; i < old_count && count < MAX_CHOICES; i++) {
    const MlirNamedAttribute item = mlirDictionaryAttrGetElement(old, i);
    if (!mlirStringRefEqual(mlirIdentifierStr(item.name), key))
      list[count++] = item;
  }
  list[count++] = mlirNamedAttributeGet(mlirIdentifierGet(context, key), mlirStringAttrGet(context, value));
  mlirOperationSetDiscardableAttributeByName(reader, mambaRef(ATTRIBUTE),
                                             mlirDictionaryAttrGet(context, count, list));
}
