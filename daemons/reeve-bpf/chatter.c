/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <xdp/libxdp.h>

#include "base/str.h"

static char last[192];

/* A verifier's log has many lines; the first says which program it is about. */
static void keep(const char *format, va_list ap)
{
	char line[160];

	vsnprintf(line, sizeof(line), format, ap);
	line[strcspn(line, "\n")] = '\0';
	str_escape(last, sizeof(last), line, sizeof(line));
}

static int keep_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	if (level == LIBBPF_WARN)
		keep(format, ap);
	return 0;
}

static int keep_libxdp(enum libxdp_print_level level, const char *format, va_list ap)
{
	if (level == LIBXDP_WARN)
		keep(format, ap);
	return 0;
}

void chatter_catch(void)
{
	libbpf_set_print(keep_libbpf);
	libxdp_set_print(keep_libxdp);
}

const char *chatter_last(void)
{
	return last;
}

int fail_loudly(struct err *e, int code, const char *what)
{
	if (!last[0])
		return fail(e, code, "%s: %s", what, strerror(code));
	return fail(e, code, "%s: %s (%s)", what, strerror(code), last);
}
