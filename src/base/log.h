/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line for each decision, on stdout, as text or JSON:
 *   2026-11-20T09:30:00.123Z info grant tenant=media uid=1000 resource="lcore 5"
 *   {"time":"2026-...","level":"info","msg":"grant","tenant":"media","uid":1000,...}
 *
 * Only programs log; libraries return errors. Values are escaped here, whatever
 * they are. Lines are gathered and written by log_flush(), which the loop calls
 * when it has nothing else to do. A reader that does not keep up (a full pipe, a
 * full disk) never stops the daemon: lines are dropped and counted, and the
 * count is the next line that gets through.
 */
#ifndef REEVE_BASE_LOG_H
#define REEVE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_format { LOG_TEXT, LOG_JSON, LOG_FORMAT_MAX };
enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVEL_MAX };

enum { LOG_LINE_MAX = 1024, LOG_BUFFER = 16384 };

struct log_line {
	char text[LOG_LINE_MAX];
	size_t len;
	bool skip; /* below the level: the calls that follow do nothing */
};

const char *log_level_name(enum log_level level);
const char *log_format_name(enum log_format format);

/* `fd` stays the caller's. Before the first call: stdout, text, info. */
void log_setup(int fd, enum log_format format, enum log_level level);

/* msg: a fixed word or sentence of ours. */
void log_begin(struct log_line *line, enum log_level level, const char *msg);
void log_str(struct log_line *line, const char *key, const char *value);
void log_bytes(struct log_line *line, const char *key, const void *value, size_t len);
void log_u64(struct log_line *line, const char *key, uint64_t value);
void log_end(struct log_line *line);

/* A line with no fields but a sentence: log_say(LOG_ERR, "start failed", "..."). */
void log_say(enum log_level level, const char *msg, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void log_flush(void);
uint64_t log_dropped(void); /* lines lost since the start */

#endif
