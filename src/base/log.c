/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines are whole or not there: they are gathered in one buffer and leave it in
 * pieces that end at a line and are no longer than a pipe takes at once.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

static struct {
	int fd;
	bool is_socket;
	enum log_format format;
	enum log_level level;
	size_t used;
	uint64_t dropped, reported;
	char buffer[LOG_BUFFER];
} out = { .fd = STDOUT_FILENO, .format = LOG_TEXT, .level = LOG_INFO };

static const char *const level_names[] = {
	[LOG_ERR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_LEVEL_MAX, "a name for each");

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

const char *log_format_name(enum log_format format)
{
	return format == LOG_JSON ? "json" : "text";
}

/* Room that every line keeps for its end: quote, brace, newline. */
enum { TAIL = 8 };

void log_setup(int fd, enum log_format format, enum log_level level)
{
	struct stat st;

	out.fd = fd;
	out.is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	out.format = format;
	out.level = level;
}

static void put(struct log_line *line, const char *text, size_t len)
{
	size_t room = sizeof(line->text) - TAIL - line->len;

	if (len > room)
		len = room;
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void put_text(struct log_line *line, const char *text)
{
	put(line, text, strlen(text));
}

static void put_json_byte(struct log_line *line, unsigned char c)
{
	char code[8];

	if (c == '"' || c == '\\') {
		put(line, (char[]){ '\\', (char)c }, 2);
	} else if (c >= 0x20 && c < 0x7f) {
		put(line, (const char *)&c, 1);
	} else {
		snprintf(code, sizeof(code), "\\u%04x", c);
		put(line, code, 6);
	}
}

/* Stops while a whole escape still fits, so that a cut value stays valid JSON. */
static void put_json(struct log_line *line, const char *value, size_t len)
{
	put(line, "\"", 1);
	for (size_t i = 0; i < len && value[i]; i++) {
		if (line->len + 6 > sizeof(line->text) - TAIL)
			break;
		put_json_byte(line, (unsigned char)value[i]);
	}
	line->text[line->len++] = '"';
}

static bool is_word(const char *value, size_t len)
{
	for (size_t i = 0; i < len && value[i]; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"\\=", c))
			return false;
	}
	return len && value[0];
}

static void put_value(struct log_line *line, const char *value, size_t len)
{
	char escaped[LOG_LINE_MAX];

	if (is_word(value, len)) {
		put(line, value, strnlen(value, len));
		return;
	}
	put(line, "\"", 1);
	put(line, escaped, str_escape(escaped, sizeof(escaped), value, len));
	line->text[line->len++] = '"';
}

/* False when the line has no room left to begin another field. */
static bool put_key(struct log_line *line, const char *key)
{
	bool json = out.format == LOG_JSON;

	if (line->skip || line->len + strlen(key) + 40 > sizeof(line->text) - TAIL)
		return false;
	put_text(line, json ? ",\"" : " ");
	put_text(line, key);
	put_text(line, json ? "\":" : "=");
	return true;
}

void log_begin(struct log_line *line, enum log_level level, const char *msg)
{
	char when[CLOCK_TEXT];

	line->len = 0;
	line->skip = level > out.level;
	if (line->skip)
		return;
	clock_format(clock_wall_ns(), when);
	if (out.format == LOG_JSON) {
		put_text(line, "{\"time\":\"");
		put_text(line, when);
		put_text(line, "\",\"level\":\"");
		put_text(line, level_names[level]);
		put_text(line, "\",\"msg\":");
		put_json(line, msg, strlen(msg));
		return;
	}
	put_text(line, when);
	put_text(line, " ");
	put_text(line, level_names[level]);
	put_text(line, " ");
	put_text(line, msg);
}

void log_bytes(struct log_line *line, const char *key, const void *value, size_t len)
{
	if (!put_key(line, key))
		return;
	if (out.format == LOG_JSON)
		put_json(line, value, len);
	else
		put_value(line, value, len);
}

void log_str(struct log_line *line, const char *key, const char *value)
{
	log_bytes(line, key, value, strlen(value));
}

void log_u64(struct log_line *line, const char *key, uint64_t value)
{
	char text[24];

	if (!put_key(line, key))
		return;
	put(line, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

static bool append(const char *text, size_t len)
{
	if (out.used + len > sizeof(out.buffer))
		log_flush();
	if (out.used + len > sizeof(out.buffer))
		return false;
	memcpy(out.buffer + out.used, text, len);
	out.used += len;
	return true;
}

static void finish(struct log_line *line)
{
	if (out.format == LOG_JSON)
		line->text[line->len++] = '}';
	line->text[line->len++] = '\n';
}

static void report_dropped(void)
{
	struct log_line line;
	uint64_t now = out.dropped;

	log_begin(&line, LOG_WARN, "log lines lost: the reader was too slow or the disk full");
	log_u64(&line, "lines", now - out.reported);
	if (line.skip)
		return;
	finish(&line);
	if (append(line.text, line.len))
		out.reported = now;
}

void log_end(struct log_line *line)
{
	if (line->skip)
		return;
	finish(line);
	if (out.dropped != out.reported)
		report_dropped();
	if (!append(line->text, line->len))
		out.dropped++;
}

void log_say(enum log_level level, const char *msg, const char *fmt, ...)
{
	struct log_line line;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_begin(&line, level, msg);
	log_str(&line, "why", text);
	log_end(&line);
}

/* Whole lines that fit into what a pipe takes in one piece. */
static size_t piece(void)
{
	size_t n = out.used;

	if (n <= PIPE_BUF)
		return n;
	n = PIPE_BUF;
	while (n && out.buffer[n - 1] != '\n')
		n--;
	return n;
}

/* A socket (journald) is not waited for; anything else was opened so. */
static ssize_t write_some(const char *p, size_t len)
{
	ssize_t n;

	if (out.is_socket)
		n = send(out.fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(out.fd, p, len);
	return n < 0 ? -errno : n;
}

static uint64_t count_lines(const char *p, size_t len)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < len; i++)
		lines += p[i] == '\n';
	return lines;
}

void log_flush(void)
{
	while (out.used) {
		size_t len = piece();
		ssize_t n = write_some(out.buffer, len);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			out.dropped += count_lines(out.buffer, len);
			n = (ssize_t)len;
		}
		out.used -= (size_t)n;
		memmove(out.buffer, out.buffer + n, out.used);
	}
}

uint64_t log_dropped(void)
{
	return out.dropped;
}
