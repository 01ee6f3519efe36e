/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-conf/conf_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { DEPTH_MAX = 8 }; /* the grammar itself needs three */

struct scan {
	const char *at, *end;
	char *out; /* as far ahead as `at`; holds blanks at first */
	int line;
	int opened[DEPTH_MAX]; /* the lines of the braces we are in */
	int depth;
	char last;  /* outside comments, and no blank */
	char *list; /* in `out`: the brace after the last "=", if one stood there */
	struct err *e;
};

static bool done(const struct scan *s)
{
	return s->at == s->end;
}

static unsigned char peek(const struct scan *s)
{
	return (unsigned char)*s->at;
}

static void skip(struct scan *s)
{
	s->at++;
	s->out++;
}

static void keep(struct scan *s)
{
	*s->out = *s->at;
	if (!isspace(peek(s)))
		s->last = *s->at;
	skip(s);
}

static int bad(const struct scan *s, const char *what)
{
	return fail(s->e, EINVAL, "reeve.conf:%d: %s", s->line, what);
}

static int bad_byte(const struct scan *s)
{
	if (peek(s) == '\0')
		return bad(s, "this is no text file: it contains a NUL byte");
	if (peek(s) >= 0x80)
		return bad(s, "only comments may contain other than ASCII characters");
	return fail(s->e, EINVAL, "reeve.conf:%d: this is no text file: it contains byte 0x%02x",
		    s->line, peek(s));
}

static bool control(unsigned char c)
{
	return c != '\t' && (c < 0x20 || c == 0x7f);
}

/* To the end of the line; the line feed itself is left. */
static int scan_comment(struct scan *s)
{
	for (; !done(s) && peek(s) != '\n'; skip(s))
		if (control(peek(s)) && peek(s) != '\r')
			return bad_byte(s);
	return 0;
}

static int check_in_string(const struct scan *s, unsigned char quote)
{
	unsigned char c = peek(s), next = s->at + 1 < s->end ? (unsigned char)s->at[1] : '\0';

	if (c == '\n' || c == '\r')
		return bad(s, "a string is not closed on its line");
	if (control(c) || c >= 0x80)
		return bad_byte(s);
	if (c == '|')
		return bad(s, "\"|\" has no place in this file");
	if (c == '\t')
		return bad(s, "a tab has no place in a string");
	if (c == '$' && next == '{')
		return bad(s, "variables (\"${\") are not expanded in this file");
	if (c != '\\')
		return 0;
	if (quote == '"')
		return bad(s, "a backslash stands for itself in single quotes only");
	if (next == '\\' || next == '\'')
		return bad(s, "a backslash can't be followed by another or by the closing quote");
	return 0;
}

static int scan_string(struct scan *s)
{
	unsigned char quote = peek(s);
	int r;

	for (keep(s); !done(s); keep(s)) {
		if (peek(s) == quote) {
			keep(s);
			return 0;
		}
		r = check_in_string(s, quote);
		if (r < 0)
			return r;
	}
	return bad(s, "a string is not closed before the end of the file");
}

/* What libconfuse says of braces is good enough but for the one that stays open. */
static int scan_open(struct scan *s)
{
	if (s->depth == DEPTH_MAX)
		return bad(s, "braces are nested too deeply");
	s->opened[s->depth++] = s->line;
	s->list = s->last == '=' ? s->out : NULL;
	keep(s);
	return 0;
}

static int scan_close(struct scan *s)
{
	s->depth -= s->depth > 0;
	if (s->list && s->last == '{') {
		*s->list = CONF_EMPTY_LIST[0];
		s->last = CONF_EMPTY_LIST[0];
		skip(s);
	} else {
		keep(s);
	}
	return 0;
}

/* Outside strings and comments: words, blanks and the four signs of the grammar. */
static int scan_plain(struct scan *s)
{
	unsigned char c = peek(s);

	if (c == '{')
		return scan_open(s);
	if (c == '}')
		return scan_close(s);
	if (c == '\n') {
		s->line++;
	} else if ((control(c) && c != '\r') || c >= 0x80) {
		return bad_byte(s);
	} else if (c == '\r') {
		skip(s);
		return 0;
	} else if (!isalnum(c) && !strchr("_-.,= \t", c)) {
		return fail(s->e, EINVAL,
			    "reeve.conf:%d: '%c' has a place only in strings and in comments "
			    "(which begin with #)",
			    s->line, c);
	}
	keep(s);
	return 0;
}

static int scan_all(struct scan *s)
{
	int r = 0;

	while (!done(s) && !r) {
		if (peek(s) == '#')
			r = scan_comment(s);
		else if (peek(s) == '"' || peek(s) == '\'')
			r = scan_string(s);
		else
			r = scan_plain(s);
	}
	if (!r && s->depth)
		return fail(s->e, EINVAL, "reeve.conf:%d: the brace opened here is never closed",
			    s->opened[s->depth - 1]);
	return r;
}

int conf_scan(const char *text, size_t len, char **ret, struct err *e)
{
	_cleanup_free_ char *out = malloc(len + 1);
	struct scan s = { .at = text, .end = text + len, .out = out, .line = 1, .e = e };
	int r;

	if (!out)
		return fail(e, ENOMEM, "reeve.conf: no memory for %zu bytes of text", len);
	memset(out, ' ', len);
	out[len] = '\0';
	r = scan_all(&s);
	if (r < 0)
		return r;
	*ret = take_ptr(&out);
	return 0;
}
