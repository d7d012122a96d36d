/* SPDX-License-Identifier: MIT */
#include "place.h"

#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_FILE   "lock"
#define SOCKET_FILE "control"

enum { ROOT_CAP = 80, NUMBERS = 1000 };

/* What may be in a place. */
static const char *const files[] = { SOCKET_FILE, "contract.json", "contract.json.new", LOCK_FILE };

static int refused(struct gabi_diag *diag, const char *path, const char *why)
{
	int saved = errno;

	gabi_fail(diag, GABI_ERR_IO, path, why, ": ", strerror(saved), (char *)NULL);
	if (diag)
		diag->sys_errno = saved;
	return GABI_ERR_IO;
}

/* ---- names ---- */

static bool is_good(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool vmm_name_is_good(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= VMM_NAME_CAP || *name == '.')
		return false;
	while (*name && is_good(*name))
		name++;
	return !*name;
}

static int check_name(const char *name, struct gabi_diag *diag)
{
	if (vmm_name_is_good(name))
		return 0;
	return gabi_fail(diag, GABI_ERR_ARG, "'", name, "' is no name of a guest: letters, digits, '.', '_' and '-', 47 at the most, and not '.' first",
			 (char *)NULL);
}

/* The image's file name up to its ending; with room for a number behind it. */
static void name_like(const char *image, char name[VMM_NAME_CAP])
{
	const char *slash = strrchr(image, '/'), *at = slash ? slash + 1 : image;
	struct gabi_out out = gabi_out_to(name, VMM_NAME_CAP - 5);

	while (*at == '.')
		at++;
	for (; *at && *at != '.'; at++)
		gabi_out_char(&out, is_good(*at) ? *at : '-');
	if (!out.len || !strcmp(name, "-"))
		snprintf(name, VMM_NAME_CAP, "guest");
}

/* ---- the directory of all ---- */

static int find_root(char path[ROOT_CAP], struct gabi_diag *diag)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (!runtime || *runtime != '/') {
		if (geteuid())
			return gabi_fail(diag, GABI_ERR_IO, "there is no place for a guest's socket: set XDG_RUNTIME_DIR to a directory of yours", (char *)NULL);
		runtime = "/run";
	}
	if (snprintf(path, ROOT_CAP, "%s/gabi", runtime) < ROOT_CAP - 20)
		return 0;
	return gabi_fail(diag, GABI_ERR_IO, "XDG_RUNTIME_DIR is too long for the address of a socket: ", runtime, (char *)NULL);
}

/* Others may neither look into it nor put anything there. */
static int make_root(char path[ROOT_CAP], struct gabi_diag *diag)
{
	struct stat stat;
	int err = find_root(path, diag);

	if (err)
		return err;
	if (mkdir(path, 0700) && errno != EEXIST)
		return refused(diag, path, " cannot be made");
	if (lstat(path, &stat))
		return refused(diag, path, " cannot be looked at");
	if (!S_ISDIR(stat.st_mode) || stat.st_uid != geteuid() || stat.st_mode & 022)
		return gabi_fail(diag, GABI_ERR_IO, path, " is no directory of yours that only you can write to", (char *)NULL);
	return 0;
}

static int path_of(const char *root, const char *name, struct vmm_place *place, struct gabi_diag *diag)
{
	snprintf(place->name, sizeof(place->name), "%s", name);
	if ((size_t)snprintf(place->path, sizeof(place->path), "%s/%s", root, name) + sizeof("/" SOCKET_FILE) <= sizeof(place->path))
		return 0;
	return gabi_fail(diag, GABI_ERR_IO, root, "/", name, ": the path is too long for the address of a socket", (char *)NULL);
}

static struct sockaddr_un address_of(const struct vmm_place *place)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%.*s/" SOCKET_FILE, (int)(sizeof(address.sun_path) - sizeof("/" SOCKET_FILE)),
		 place->path);
	return address;
}

/* ---- making ---- */

static void forget(struct vmm_place *place)
{
	int *const fds[] = { &place->listener, &place->lock, &place->dir };

	for (size_t i = 0; i < GABI_COUNT_OF(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* 1: somebody else holds it. A lock whose file was removed meanwhile is that of a place that is gone. */
static int hold(struct vmm_place *place)
{
	struct stat ours, there;

	for (;;) {
		if (mkdir(place->path, 0700) && errno != EEXIST)
			return -1;
		place->dir = open(place->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		place->lock = place->dir < 0 ? -1 : openat(place->dir, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (place->lock < 0 && errno == ENOENT) { /* it was just removed */
			forget(place);
			continue;
		}
		if (place->lock < 0)
			return -1;
		if (flock(place->lock, LOCK_EX | LOCK_NB))
			return errno == EWOULDBLOCK ? 1 : -1;
		if (!fstat(place->lock, &ours) && !fstatat(place->dir, LOCK_FILE, &there, AT_SYMLINK_NOFOLLOW) && ours.st_ino == there.st_ino)
			return 0;
		forget(place);
	}
}

static int try_name(const char *root, const char *name, struct vmm_place *place, struct gabi_diag *diag)
{
	int err = path_of(root, name, place, diag), held;

	if (err)
		return err;
	held = hold(place);
	if (held < 0)
		err = refused(diag, place->path, " cannot be made");
	else if (held)
		err = gabi_fail(diag, GABI_ERR_CONFLICT, "a guest of the name ", name, " runs already", (char *)NULL);
	if (err)
		forget(place);
	return err;
}

static int try_names(const char *root, const char *image, struct vmm_place *place, struct gabi_diag *diag)
{
	char name[VMM_NAME_CAP];
	size_t len;
	int err;

	name_like(image, name);
	len = strlen(name);
	err = try_name(root, name, place, diag);
	for (unsigned i = 2; err == GABI_ERR_CONFLICT && i < NUMBERS; i++) {
		snprintf(name + len, sizeof(name) - len, "-%u", i);
		err = try_name(root, name, place, diag);
	}
	return err;
}

static int start_listening(struct vmm_place *place, struct gabi_diag *diag)
{
	const struct sockaddr_un address = address_of(place);

	for (size_t i = 0; i < GABI_COUNT_OF(files); i++)
		if (strcmp(files[i], LOCK_FILE))
			unlinkat(place->dir, files[i], 0);
	place->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (place->listener >= 0 && !bind(place->listener, (const struct sockaddr *)&address, sizeof(address)) &&
	    !fchmodat(place->dir, SOCKET_FILE, 0600, 0) && !listen(place->listener, 16))
		return 0;
	return refused(diag, address.sun_path, " cannot be made");
}

int vmm_place_make(const char *name, const char *image, struct vmm_place *ret_place, struct gabi_diag *diag)
{
	struct vmm_place place = { .dir = -1, .lock = -1, .listener = -1 };
	char root[ROOT_CAP];
	int err = name ? check_name(name, diag) : 0;

	if (!err)
		err = make_root(root, diag);
	if (!err)
		err = name ? try_name(root, name, &place, diag) : try_names(root, image, &place, diag);
	if (err)
		return err;
	err = start_listening(&place, diag);
	if (err)
		vmm_place_remove(&place);
	else
		*ret_place = place;
	return err;
}

static bool write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno != EINTR)
			return false;
		text += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
	}
	return true;
}

int vmm_place_write(const struct vmm_place *place, const char *file, const char *text, size_t len, struct gabi_diag *diag)
{
	char temp[40];
	int fd;
	bool good;

	snprintf(temp, sizeof(temp), "%s.new", file);
	fd = openat(place->dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	good = fd >= 0 && write_all(fd, text, len) && !fsync(fd);
	if (fd >= 0)
		good = !close(fd) && good;
	if (good && !renameat(place->dir, temp, place->dir, file))
		return 0;
	refused(diag, place->path, ": the contract cannot be written there");
	unlinkat(place->dir, temp, 0);
	return GABI_ERR_IO;
}

/* The lock's file last, and while it is held: whoever finds none makes another. */
void vmm_place_remove(struct vmm_place *place)
{
	if (place->dir < 0)
		return;
	for (size_t i = 0; i < GABI_COUNT_OF(files); i++)
		unlinkat(place->dir, files[i], 0);
	rmdir(place->path);
	forget(place);
}

/* ---- from outside ---- */

/* A lock that can be shared is held by nobody. */
static bool is_alive(const char *path)
{
	char lock[VMM_PLACE_CAP + sizeof(LOCK_FILE)];
	bool alive;
	int fd;

	snprintf(lock, sizeof(lock), "%s/" LOCK_FILE, path);
	fd = open(lock, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	alive = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return alive;
}

int vmm_place_find(const char *name, struct vmm_place *ret_place, bool *ret_alive, struct gabi_diag *diag)
{
	struct vmm_place place = { .dir = -1, .lock = -1, .listener = -1 };
	char root[ROOT_CAP];
	struct stat stat;
	int err = check_name(name, diag);

	if (!err)
		err = find_root(root, diag);
	if (!err)
		err = path_of(root, name, &place, diag);
	if (err)
		return err;
	if (lstat(place.path, &stat))
		return gabi_fail(diag, GABI_ERR_UNKNOWN, "no guest of the name ", name, " runs; 'gabi ps' lists those that do", (char *)NULL);
	*ret_place = place;
	*ret_alive = is_alive(place.path);
	return 0;
}

/* A monitor that stands still takes no connections, and where too many wait one more would do so for ever: with the time to send, connect ends too. */
int vmm_place_connect(const struct vmm_place *place, int *ret_socket, struct gabi_diag *diag)
{
	static const struct timeval patience = { .tv_sec = 5 };
	const struct sockaddr_un address = address_of(place);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return refused(diag, address.sun_path, " cannot be connected to");
	if (!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) && !connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		*ret_socket = fd;
		return 0;
	}
	if (errno == EAGAIN)
		gabi_fail(diag, GABI_ERR_IO, address.sun_path, ": too many wait for its monitor, which seems to stand still: see whether its process is stopped", (char *)NULL);
	else
		refused(diag, address.sun_path, " cannot be connected to");
	close(fd);
	return GABI_ERR_IO;
}

int vmm_place_list(void (*found)(void *ctx, const char *name), void *ctx, struct gabi_diag *diag)
{
	char root[ROOT_CAP];
	int err = find_root(root, diag);
	DIR *dir = err ? NULL : opendir(root);

	if (err || (!dir && errno == ENOENT))
		return err;
	if (!dir)
		return refused(diag, root, " cannot be read");
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (vmm_name_is_good(entry->d_name))
			found(ctx, entry->d_name);
	closedir(dir);
	return 0;
}
