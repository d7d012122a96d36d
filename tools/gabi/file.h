/* SPDX-License-Identifier: MIT */
/* The only place where the command reads and writes files. */
#ifndef GABI_TOOL_FILE_H
#define GABI_TOOL_FILE_H

#include "gabi.h"

struct text {
	char *at; /* with a final NUL; freed by free(3) */
	size_t len;
};

/* Reads a regular file or a pipe to its end; "-" is standard input. What cannot be read, or is longer than the formats
 * take, is complained about. */
enum status file_read(const char *path, struct text *ret_text);

/* The same for what a guest boots, which may be longer. */
enum status file_read_image(const char *path, struct text *ret_text);

/* The file of that path; of a folder, those in it whose names end so, in the order of their names, of which there must be one. */
struct file_list {
	char **path;
	size_t count;
};
enum status file_list(const char *path, const char *ending, struct file_list *ret_list);
void file_list_free(struct file_list *list);

/* Writes the file under a temporary name, syncs it and renames it, so that path is the old file or the whole new one.
 * NULL and "-" are standard output. */
enum status file_write(const char *path, const char *text, size_t len);

/* The same for what a guest's monitor writes into the open file: it is begun, and then kept or dropped. A new one is for its owner alone, for
 * it holds what the guest keeps secret. */
struct new_file {
	char *path, *temp;
	int fd;
	bool secret;
};
enum status file_begin(const char *path, struct new_file *ret_file);
enum status file_keep(struct new_file *file);
void file_drop(struct new_file *file);

#endif
