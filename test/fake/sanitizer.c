/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sanitizers' options for programs that start with an empty environment.
 * No leak check at the end: it would trace the process, which the core's
 * sandbox kills it for. Anything found ends the program with a status of its
 * own.
 */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

__attribute__((visibility("default"), used)) const char *__asan_default_options(void)
{
	return "detect_leaks=0:exitcode=99:strict_string_checks=1";
}

__attribute__((visibility("default"), used)) const char *__ubsan_default_options(void)
{
	return "halt_on_error=1:exitcode=99:print_stacktrace=1";
}

const char *__tsan_default_options(void);

__attribute__((visibility("default"), used)) const char *__tsan_default_options(void)
{
	return "halt_on_error=1:exitcode=99";
}
