/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over each file of a folder: what a fuzzer found once is a test for ever. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int run_file(const char *path)
{
	struct stat stat;
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	size_t len;

	if (!file || fstat(fileno(file), &stat)) {
		perror(path);
		return -1;
	}
	data = malloc((size_t)stat.st_size + 1);
	if (!data) {
		fclose(file);
		return -1;
	}
	len = fread(data, 1, (size_t)stat.st_size, file);
	fclose(file);
	if (len != (size_t)stat.st_size) {
		fprintf(stderr, "%s: cut short\n", path);
		free(data);
		return -1;
	}
	fprintf(stderr, "%s\n", path); /* the last line before a crash */
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	return 0;
}

static int laws_are_reached(void)
{
	int all = 1;

	for (const struct fuzz_law *law = fuzz_laws; law->what; law++)
		if (!law->reached) {
			fprintf(stderr, "no input reaches this law: %s\n", law->what);
			all = 0;
		}
	return all;
}

int main(int argc, char **argv)
{
	unsigned long files = 0;
	struct dirent *entry;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;

	if (!dir) {
		perror(argc == 2 ? argv[1] : "usage: replay CORPUS");
		return 1;
	}
	while ((entry = readdir(dir))) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		if (run_file(path)) {
			closedir(dir);
			return 1;
		}
		files++;
	}
	closedir(dir);
	printf("%lu inputs, %lu reached the property\n", files, fuzz_reached_count());
	if (!files || !fuzz_reached_count()) {
		fprintf(stderr, "%s: no input tests anything\n", argv[1]);
		return 1;
	}
	return laws_are_reached() ? 0 : 1;
}
