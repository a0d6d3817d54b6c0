/* The file of a calibration, and the one beside it.
 *
 *   FILE               {"version": 2, "model": "xxh3:...", "samples": n, "length": n, "seed": n for "self",
 *                      "data": "xxh3:..." or "self:...", the sum of the samples' hashes,
 *                      "sites": {"layers.0.mixer.in": a record of mamba/statistics.h, ...}}
 *   FILE.safetensors   "<site>.absmax", f32 [channels], for each site: what IR can name as a weight */
#ifndef MAMBA_CALIBRATE_STATISTICS_FILE_H
#define MAMBA_CALIBRATE_STATISTICS_FILE_H

#include "collector.h"
#include "fingerprint.h"

/* What a record was made of. */
typedef struct CalibrationKey {
  char model[FINGERPRINT_TEXT];
  char data[FINGERPRINT_TEXT]; /* of the samples' ids, or of the numbers that "self" draws them from */
  int64_t samples, length;
  int64_t seed; /* of "self", else 0 */
} CalibrationKey;

/* Fills records[i].statistics from the file. MAMBA_INVALID, with the reason, when it was made for another
 * key, lacks a value of the collector, or breaks its format. */
MAMBA_MUST_CHECK MambaStatus statisticsFileRead(const char *path, const CalibrationKey *key,
                                                Collector *collector, MambaError *error);

MAMBA_MUST_CHECK MambaStatus statisticsFileWrite(const char *path, const CalibrationKey *key,
                                                 const Collector *collector, MambaError *error);

/* Writes the file with the channels' maxima. */
MAMBA_MUST_CHECK MambaStatus channelFileWrite(const char *path, const Collector *collector,
                                              MambaError *error);

/* MAMBA_INVALID unless every value has a name and no other value has it. */
MAMBA_MUST_CHECK MambaStatus statisticsFileCheckNames(const Collector *collector, MambaError *error);

#endif
