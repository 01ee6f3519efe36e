/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands in for libFuzzer: runs the target once over each file of a directory.
 * An input that goes wrong ends the program before its "ok".
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

static int is_input(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int run_file(const char *dir, const char *name)
{
	_cleanup_free_ uint8_t *data = NULL;
	_cleanup_file_ FILE *f = NULL;
	char path[4096];
	uint8_t *exact;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	data = malloc(INPUT_MAX);
	if (!f || !data)
		return -1;
	n = fread(data, 1, INPUT_MAX, f);
	if (ferror(f) || n == INPUT_MAX)
		return -1;
	/* No longer than the input, so that a sanitizer sees reads past its end. */
	exact = realloc(data, n ? n : 1);
	if (!exact)
		return -1;
	data = exact;
	LLVMFuzzerTestOneInput(data, n);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **inputs = NULL;
	int n, failed = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	n = scandir(argv[1], &inputs, is_input, alphasort);
	if (n <= 0) {
		printf("1..1\nnot ok 1 - no inputs in %s\n", argv[1]);
		free(inputs);
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		const char *name = inputs[i]->d_name;
		int r = run_file(argv[1], name);

		printf("%s %d - %s\n", r < 0 ? "not ok" : "ok", i + 1, name);
		fflush(stdout);
		failed |= r < 0;
		free(inputs[i]);
	}
	free(inputs);
	return failed;
}
