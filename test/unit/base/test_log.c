/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

enum { WHEN = sizeof("2026-11-20T09:30:00.123Z") - 1, READ_MAX = 1 << 20 };

/* The reader's end of what the log writes. */
struct reader {
	int in, out;
	char text[READ_MAX];
	size_t len;
};

static struct reader reader;

static int reader_up(void **state)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return -1;
	reader.in = p[0];
	reader.out = p[1];
	reader.len = 0;
	log_setup(reader.out, LOG_TEXT, LOG_INFO);
	*state = &reader;
	return 0;
}

/* Takes what is there now; false when there was nothing. */
static bool drain(struct reader *r)
{
	size_t before = r->len;
	ssize_t n;

	do {
		n = read(r->in, r->text + r->len, sizeof(r->text) - 1 - r->len);
		if (n > 0)
			r->len += (size_t)n;
	} while (n > 0);
	r->text[r->len] = '\0';
	return r->len > before;
}

static int reader_down(void **state)
{
	struct reader *r = *state;

	do {
		log_flush();
	} while (drain(r));
	close(r->in);
	close(r->out);
	return 0;
}

static const char *flushed(struct reader *r)
{
	r->len = 0;
	log_flush();
	drain(r);
	return r->text;
}

static void assert_when(const char *text)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";

	for (size_t i = 0; i < WHEN; i++) {
		if (shape[i] == '0')
			assert_in_range(text[i], '0', '9');
		else
			assert_int_equal(text[i], shape[i]);
	}
}

static void log_example(enum log_level level)
{
	struct log_line line;

	log_begin(&line, level, "grant");
	log_str(&line, "tenant", "media");
	log_u64(&line, "uid", 1000);
	log_str(&line, "resource", "lcore 5");
	log_str(&line, "name", "");
	log_end(&line);
}

static void text_looks_as_promised(void **state)
{
	const char *text;

	log_example(LOG_INFO);
	text = flushed(*state);
	assert_when(text);
	assert_string_equal(text + WHEN, " info grant tenant=media uid=1000 resource=\"lcore 5\""
					 " name=\"\"\n");
}

static void json_looks_as_promised(void **state)
{
	static const char start[] = "{\"time\":\"";
	const char *text;

	log_setup(reader.out, LOG_JSON, LOG_INFO);
	log_example(LOG_WARN);
	text = flushed(*state);
	assert_memory_equal(text, start, strlen(start));
	assert_when(text + strlen(start));
	assert_string_equal(
		text + strlen(start) + WHEN,
		"\",\"level\":\"warn\",\"msg\":\"grant\",\"tenant\":\"media\",\"uid\":1000,"
		"\"resource\":\"lcore 5\",\"name\":\"\"}\n");
}

static void levels_are_named_and_left_out(void **state)
{
	static const char *const names[] = { " error ", " warn ", " info ", " debug " };

	for (unsigned shown = LOG_ERR; shown < LOG_LEVEL_MAX; shown++) {
		log_setup(reader.out, LOG_TEXT, shown);
		for (unsigned level = LOG_ERR; level < LOG_LEVEL_MAX; level++) {
			const char *text;

			log_example(level);
			text = flushed(*state);
			if (level > shown)
				assert_string_equal(text, "");
			else
				assert_memory_equal(text + WHEN, names[level],
						    strlen(names[level]));
		}
	}
}

static void nothing_is_written_before_the_flush(void **state)
{
	struct reader *r = *state;

	log_example(LOG_INFO);
	assert_false(drain(r));
	log_flush();
	assert_true(drain(r));
}

static void say_puts_the_sentence_last(void **state)
{
	const char *text;

	log_say(LOG_ERR, "start failed", "no user \"%s\"\nforged", "reeve");
	text = flushed(*state);
	assert_string_equal(text + WHEN,
			    " error start failed why=\"no user \\x22reeve\\x22\\x0aforged\"\n");
}

/* The value of `key` as a reader gets it: the escapes undone. */
static size_t value_of(const char *text, const char *key, unsigned char *out)
{
	const char *p = strstr(text, key);
	size_t n = 0;

	assert_non_null(p);
	p += strlen(key);
	assert_int_equal(*p, '"');
	for (p++; *p != '"'; n++) {
		unsigned c;

		if (sscanf(p, "\\x%2x", &c) == 1) {
			p += 4;
		} else if (sscanf(p, "\\u%4x", &c) == 1) {
			p += 6;
		} else if (*p == '\\') {
			c = (unsigned char)p[1];
			p += 2;
		} else {
			c = (unsigned char)*p++;
		}
		out[n] = (unsigned char)c;
	}
	return n;
}

static void assert_one_printable_line(const char *text)
{
	const char *end = strchr(text, '\n');

	assert_non_null(end);
	assert_string_equal(end, "\n");
	for (const char *p = text; p < end; p++)
		assert_in_range(*p, ' ', '~');
}

static void every_byte_is_escaped(void **state)
{
	static const struct {
		enum log_format format;
		const char *key;
	} forms[] = { { LOG_TEXT, " name=" }, { LOG_JSON, ",\"name\":" } };

	for (size_t i = 0; i < 2; i++) {
		log_setup(reader.out, forms[i].format, LOG_INFO);
		for (unsigned c = 1; c < 256; c++) {
			/* The blank makes the text form quote it in any case. */
			unsigned char value[] = { 'a', ' ', (unsigned char)c, 'z' }, got[8];
			struct log_line line;
			const char *text;

			log_begin(&line, LOG_INFO, "byte");
			log_bytes(&line, "name", value, sizeof(value));
			log_end(&line);
			text = flushed(*state);
			assert_one_printable_line(text);
			assert_int_equal(value_of(text, forms[i].key, got), sizeof(value));
			assert_memory_equal(got, value, sizeof(value));
		}
	}
}

static void a_single_byte_never_breaks_the_line(void **state)
{
	for (unsigned c = 1; c < 256; c++) {
		unsigned char byte = (unsigned char)c, got[2];
		bool bare = c > ' ' && c < 0x7f && !strchr("\"\\=", (int)c);
		struct log_line line;
		char want[16];
		const char *text;

		log_begin(&line, LOG_INFO, "byte");
		log_bytes(&line, "v", &byte, 1);
		log_end(&line);
		text = flushed(*state);
		assert_one_printable_line(text);
		snprintf(want, sizeof(want), " v=%c\n", c);
		if (bare) {
			assert_string_equal(strstr(text, " v="), want);
		} else {
			assert_int_equal(value_of(text, " v=", got), 1);
			assert_int_equal(got[0], c);
		}
	}
}

static void bytes_end_at_their_nul(void **state)
{
	struct log_line line;

	log_begin(&line, LOG_INFO, "x");
	log_bytes(&line, "name", "host\0forged", 11);
	log_bytes(&line, "cut", "abcdef", 3);
	log_bytes(&line, "none", "", 0);
	log_end(&line);
	assert_string_equal(flushed(*state) + WHEN, " info x name=host cut=abc none=\"\"\n");
}

/* Quotes closed, no escape cut in half, at the very least in the JSON form. */
static void assert_sound_json(const char *text, size_t len)
{
	bool quoted = false;

	assert_int_equal(text[0], '{');
	assert_memory_equal(text + len - 2, "}\n", 2);
	for (size_t i = 0; i < len - 1; i++) {
		if (!quoted || text[i] != '\\') {
			quoted ^= text[i] == '"';
			continue;
		}
		i++;
		if (text[i] == 'u')
			for (int digit = 0; digit < 4; digit++)
				assert_non_null(strchr("0123456789abcdef", text[++i]));
		else
			assert_true(text[i] == '"' || text[i] == '\\');
	}
	assert_false(quoted);
}

static void a_line_too_long_is_cut_and_sound(void **state)
{
	static char value[LOG_LINE_MAX * 2];

	for (unsigned len = 1; len < sizeof(value); len += 7) {
		for (unsigned format = 0; format < LOG_FORMAT_MAX; format++) {
			struct log_line line;
			const char *text;

			memset(value, len % 2 ? 'a' : '\n', len);
			log_setup(reader.out, format, LOG_INFO);
			log_begin(&line, LOG_INFO, "long");
			log_bytes(&line, "first", value, len);
			for (int i = 0; i < 100; i++) {
				log_u64(&line, "number", UINT64_MAX);
				log_bytes(&line, "again", value, len);
			}
			log_end(&line);
			text = flushed(*state);
			assert_one_printable_line(text);
			assert_in_range(strlen(text), 1, LOG_LINE_MAX);
			if (format == LOG_JSON)
				assert_sound_json(text, strlen(text));
		}
	}
}

/* Adds up what arrived: numbered lines in order, and the lines that report losses. */
static void count_arrived(const char *text, uint64_t *ret_lines, uint64_t *ret_lost)
{
	uint64_t last = 0, n;
	const char *end;

	for (; *text; text = end + 1) {
		char line[LOG_LINE_MAX];

		end = strchr(text, '\n');
		assert_non_null(end);
		assert_when(text);
		snprintf(line, sizeof(line), "%.*s", (int)(end - text - WHEN), text + WHEN);
		if (sscanf(line, " info numbered n=%" SCNu64, &n) == 1) {
			assert_true(n > last);
			last = n;
			++*ret_lines;
		} else {
			const char *lost = strstr(line, " lines=");

			assert_non_null(lost);
			assert_non_null(strstr(line, " warn "));
			*ret_lost += strtoull(lost + strlen(" lines="), NULL, 10);
		}
	}
}

static void log_numbered(uint64_t n)
{
	struct log_line line;

	log_begin(&line, LOG_INFO, "numbered");
	log_u64(&line, "n", n);
	log_end(&line);
}

static void check_a_reader_that_stalls(struct reader *r)
{
	uint64_t lines = 0, lost = 0, dropped = log_dropped(), sent = 0;

	/* Nobody reads: the pipe fills up, then the buffer, then lines are dropped. */
	while (log_dropped() < dropped + 100)
		log_numbered(++sent);
	dropped = log_dropped() - dropped;
	/* Two rounds, because the report of a loss is itself a line that needs room. */
	for (int i = 0; i < 2; i++) {
		do {
			log_flush();
		} while (drain(r));
		log_numbered(++sent);
	}
	do {
		log_flush();
	} while (drain(r));
	count_arrived(r->text, &lines, &lost);
	assert_int_equal(lost, dropped);
	assert_int_equal(lines + lost, sent);
}

static void a_pipe_nobody_reads_stops_nothing(void **state)
{
	check_a_reader_that_stalls(*state);
}

static void a_socket_nobody_reads_stops_nothing(void **state)
{
	struct reader *r = *state;
	int s[2];

	close(r->in);
	close(r->out);
	/* Blocking, as a service manager hands it over. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	r->in = s[0];
	r->out = s[1];
	assert_int_equal(fcntl(r->in, F_SETFL, O_NONBLOCK), 0);
	log_setup(r->out, LOG_TEXT, LOG_INFO);
	check_a_reader_that_stalls(r);
}

static void a_full_disk_is_counted(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	uint64_t dropped = log_dropped(), lines = 0, lost = 0;

	assert_true(full >= 0);
	log_setup(full, LOG_TEXT, LOG_INFO);
	for (uint64_t n = 1; n <= 5; n++)
		log_numbered(n);
	log_flush();
	assert_int_equal(log_dropped(), dropped + 5);
	log_setup(reader.out, LOG_TEXT, LOG_INFO);
	log_numbered(6);
	count_arrived(flushed(*state), &lines, &lost);
	assert_int_equal(lines, 1);
	assert_int_equal(lost, 5);
	close(full);
}

static void a_reader_that_left_is_counted(void **state)
{
	uint64_t dropped = log_dropped();
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	close(p[0]);
	log_setup(p[1], LOG_TEXT, LOG_INFO);
	log_numbered(1);
	/* SIGPIPE would end this program. */
	log_flush();
	assert_int_equal(log_dropped(), dropped + 1);
	log_setup(reader.out, LOG_TEXT, LOG_INFO);
	log_numbered(2);
	close(p[1]);
}

#define read_back(f) cmocka_unit_test_setup_teardown(f, reader_up, reader_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		read_back(text_looks_as_promised),
		read_back(json_looks_as_promised),
		read_back(levels_are_named_and_left_out),
		read_back(nothing_is_written_before_the_flush),
		read_back(say_puts_the_sentence_last),
		read_back(every_byte_is_escaped),
		read_back(a_single_byte_never_breaks_the_line),
		read_back(bytes_end_at_their_nul),
		read_back(a_line_too_long_is_cut_and_sound),
		read_back(a_pipe_nobody_reads_stops_nothing),
		read_back(a_socket_nobody_reads_stops_nothing),
		read_back(a_full_disk_is_counted),
		read_back(a_reader_that_left_is_counted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
