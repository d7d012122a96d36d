/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <gabi/formats.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX_LEN ((size_t)1 << 30)

static enum status too_long(const char *name, size_t most)
{
	complain("%s: longer than %zu MiB%s", name, most >> 20,
		 most == GABI_FORMATS_MAX_LEN ? ", so it is no contract and no manifest" : "");
	return STATUS_INPUT;
}

/* Reads to the end, or to one byte more than is taken. */
static enum status read_all(int fd, const char *name, size_t expected, size_t most, struct text *text)
{
	size_t room = expected + 2; /* one for the NUL, one so that the end is seen without growing */

	for (;;) {
		char *grown = realloc(text->at, room);
		ssize_t got;

		if (!grown) {
			complain("%s: out of memory", name);
			return STATUS_REFUSED;
		}
		text->at = grown;
		do {
			got = read(fd, text->at + text->len, room - text->len - 1);
		} while (got < 0 && errno == EINTR);
		if (got < 0) {
			complain("%s: cannot be read: %s", name, strerror(errno));
			return STATUS_INPUT;
		}
		text->len += (size_t)got;
		text->at[text->len] = '\0';
		if (got == 0)
			return STATUS_YES;
		if (text->len > most)
			return too_long(name, most);
		if (text->len + 1 == room)
			room *= 2;
	}
}

static enum status read_open(int fd, const char *name, size_t most, struct text *text)
{
	struct stat stat;

	if (fstat(fd, &stat)) {
		complain("%s: cannot be read: %s", name, strerror(errno));
		return STATUS_INPUT;
	}
	if (S_ISDIR(stat.st_mode)) {
		complain("%s: is a directory; name the files in it", name);
		return STATUS_INPUT;
	}
	if (S_ISREG(stat.st_mode) && stat.st_size > (off_t)most)
		return too_long(name, most);
	return read_all(fd, name, S_ISREG(stat.st_mode) ? (size_t)stat.st_size : 65536, most, text);
}

static enum status read_up_to(const char *path, size_t most, struct text *ret_text)
{
	bool standard = !strcmp(path, "-");
	const char *name = standard ? "standard input" : path;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct text text = { 0 };
	enum status status;

	if (fd < 0) {
		complain("%s: cannot be opened: %s", name, strerror(errno));
		return STATUS_INPUT;
	}
	status = read_open(fd, name, most, &text);
	if (!standard)
		close(fd);
	if (status)
		free(text.at);
	else
		*ret_text = text;
	return status;
}

enum status file_read(const char *path, struct text *ret_text)
{
	return read_up_to(path, GABI_FORMATS_MAX_LEN, ret_text);
}

enum status file_read_image(const char *path, struct text *ret_text)
{
	return read_up_to(path, IMAGE_MAX_LEN, ret_text);
}

/* ---- folders ---- */

static bool has_ending(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	return len > end && !strcmp(name + len - end, ending);
}

static bool add_path(struct file_list *list, const char *folder, const char *name)
{
	char **grown = realloc(list->path, (list->count + 1) * sizeof(*grown)), *path;

	if (!grown)
		return false;
	list->path = grown;
	path = malloc(strlen(folder) + strlen(name) + 2);
	if (!path)
		return false;
	sprintf(path, "%s%s%s", folder, *name ? "/" : "", name);
	list->path[list->count++] = path;
	return true;
}

/* The names that scandir gave, which are freed. */
static enum status take_names(struct file_list *list, const char *folder, const char *ending, struct dirent **entry, int count)
{
	enum status status = STATUS_YES;

	for (int i = 0; i < count; i++) {
		if (!status && has_ending(entry[i]->d_name, ending) && !add_path(list, folder, entry[i]->d_name)) {
			complain("out of memory");
			status = STATUS_REFUSED;
		}
		free(entry[i]);
	}
	free(entry);
	if (!status && !list->count) {
		complain("%s: no file in it ends in %s", folder, ending);
		status = STATUS_INPUT;
	}
	return status;
}

enum status file_list(const char *path, const char *ending, struct file_list *ret_list)
{
	struct file_list list = { 0 };
	struct dirent **entry;
	struct stat stat_of;
	enum status status;

	if (stat(path, &stat_of) || !S_ISDIR(stat_of.st_mode)) {
		status = add_path(&list, path, "") ? STATUS_YES : STATUS_REFUSED;
		if (status)
			complain("out of memory");
	} else {
		int count = scandir(path, &entry, NULL, alphasort);

		if (count < 0) {
			complain("%s: cannot be read: %s", path, strerror(errno));
			return STATUS_INPUT;
		}
		status = take_names(&list, path, ending, entry, count);
	}
	if (status)
		file_list_free(&list);
	else
		*ret_list = list;
	return status;
}

void file_list_free(struct file_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->path[i]);
	free(list->path);
	*list = (struct file_list){ 0 };
}

/* ---- writing ---- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t put = write(fd, text, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		text += put;
		len -= (size_t)put;
	}
	return 0;
}

/* The permissions of the file that is replaced, or those that a new file gets. */
static mode_t mode_for(const struct new_file *file)
{
	struct stat stat_of;
	mode_t mask;

	if (!stat(file->path, &stat_of))
		return stat_of.st_mode & 07777;
	if (file->secret)
		return 0600;
	mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

static void forget(struct new_file *file)
{
	free(file->path);
	free(file->temp);
	*file = (struct new_file){ .fd = -1 };
}

/* A link stays one: what it points to is replaced. */
static int begin(const char *path, struct new_file *file)
{
	char *real = realpath(path, NULL);
	size_t room;

	*file = (struct new_file){ .path = real ? real : strdup(path), .fd = -1 };
	room = file->path ? strlen(file->path) + sizeof(".XXXXXX") : 0;
	file->temp = room ? malloc(room) : NULL;
	if (file->temp) {
		snprintf(file->temp, room, "%s.XXXXXX", file->path);
		file->fd = mkostemp(file->temp, O_CLOEXEC);
	}
	if (file->fd >= 0)
		return 0;
	forget(file);
	return -1;
}

void file_drop(struct new_file *file)
{
	int why = errno;

	if (file->fd >= 0)
		close(file->fd);
	unlink(file->temp);
	forget(file);
	errno = why;
}

/* Synced and closed, and only then with its name. Leaves nothing behind when it fails. */
static int keep(struct new_file *file)
{
	int failed = fchmod(file->fd, mode_for(file)) || fsync(file->fd);

	if (!failed) {
		failed = close(file->fd);
		file->fd = -1;
	}
	if (failed || rename(file->temp, file->path)) {
		file_drop(file);
		return -1;
	}
	forget(file);
	return 0;
}

static int replace(const char *path, const char *text, size_t len)
{
	struct new_file file;

	if (begin(path, &file))
		return -1;
	if (!write_all(file.fd, text, len))
		return keep(&file);
	file_drop(&file);
	return -1;
}

static enum status cannot_write(const char *path)
{
	complain("%s: cannot be written: %s", path, strerror(errno));
	return STATUS_REFUSED;
}

/* What is renamed takes the place of what was there, be it a device that all need. */
enum status file_begin(const char *path, struct new_file *ret_file)
{
	struct stat stat_of;

	if (!stat(path, &stat_of) && !S_ISREG(stat_of.st_mode)) {
		complain("%s: cannot be written: it is no regular file", path);
		return STATUS_REFUSED;
	}
	if (begin(path, ret_file))
		return cannot_write(path);
	ret_file->secret = true;
	return STATUS_YES;
}

enum status file_keep(struct new_file *file)
{
	char *path = strdup(file->path); /* for the complaint */
	enum status status = keep(file) ? cannot_write(path ? path : "the file") : STATUS_YES;

	free(path);
	return status;
}

/* A device or a pipe cannot be replaced: it is written to. */
static int write_into(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int failed;

	if (fd < 0)
		return -1;
	failed = write_all(fd, text, len);
	return close(fd) || failed ? -1 : 0;
}

enum status file_write(const char *path, const char *text, size_t len)
{
	struct stat stat_of;
	int failed;

	if (!path || !strcmp(path, "-"))
		return fwrite(text, 1, len, stdout) == len ? STATUS_YES : STATUS_REFUSED; /* main says why */
	if (!stat(path, &stat_of) && !S_ISREG(stat_of.st_mode))
		failed = write_into(path, text, len);
	else
		failed = replace(path, text, len);
	return failed ? cannot_write(path) : STATUS_YES;
}
