/* SPDX-License-Identifier: MIT */
/* What a manifest records about its machine: uname, /sys/module, DMI. All of it may be missing; nothing here fails but for
 * want of memory. */
#include "probe.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 512 };

int probe_fact(struct probe *probe, const char *name, const char *value)
{
	return gabi_host_set_fact(probe->host, name, value, probe->diag);
}

int probe_fact_hex(struct probe *probe, const char *name, uint64_t value)
{
	char text[2 + 16 + 1];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return probe_fact(probe, name, text);
}

/* Reads the first line of a file, without the spaces around it and with '?' for what is not printable ASCII. */
static bool read_line(int dir, const char *path, char *line, size_t cap)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : read(fd, line, cap - 1);
	size_t from = 0, end;

	kvm_close(fd);
	if (len <= 0)
		return false;
	line[len] = '\0';
	end = strcspn(line, "\n");
	while (end && isspace((unsigned char)line[end - 1]))
		end--;
	while (from < end && isspace((unsigned char)line[from]))
		from++;
	memmove(line, line + from, end - from);
	line[end - from] = '\0';
	for (char *at = line; *at; at++)
		if (!isprint((unsigned char)*at) || !isascii((unsigned char)*at))
			*at = '?';
	return *line;
}

/* ---- the kernel ---- */

/* The package version that a distribution writes into uname -v:
 * "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-21)", "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023". */
static bool package_version(const char *version, char *out, size_t cap)
{
	const char *debian = strstr(version, "Debian "), *ubuntu = strstr(version, "-Ubuntu");
	const char *from = debian ? debian + strlen("Debian ") : version + (*version == '#');
	size_t len = strcspn(from, " ");

	if ((!debian && !ubuntu) || !len || len >= cap)
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	return true;
}

static int kernel_facts(struct probe *probe)
{
	struct utsname name;
	char build[sizeof(name.version)];
	int err;

	if (uname(&name))
		return 0;
	err = probe_fact(probe, "kernel.release", name.release);
	if (!err && package_version(name.version, build, sizeof(build)))
		err = probe_fact(probe, "kernel.build", build);
	return err;
}

/* ---- KVM's modules ---- */

static int module_parameters(struct probe *probe, const char *module, int modules)
{
	char path[300], name[600], value[LINE_MAX_LEN];
	struct dirent *entry;
	DIR *dir;
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/parameters", module);
	fd = openat(modules, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		kvm_close(fd);
		return 0;
	}
	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !read_line(dirfd(dir), entry->d_name, value, sizeof(value)))
			continue;
		snprintf(name, sizeof(name), "module.%s.%s", module, entry->d_name);
		err = probe_fact(probe, name, value);
	}
	closedir(dir);
	return err;
}

static int module_facts(struct probe *probe)
{
	DIR *dir = opendir("/sys/module");
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return 0;
	while (!err && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "kvm", 3))
			err = module_parameters(probe, entry->d_name, dirfd(dir));
	closedir(dir);
	return err;
}

/* ---- the machine ---- */

static int firmware_fact(struct probe *probe)
{
	char text[2 * LINE_MAX_LEN], release[LINE_MAX_LEN];
	size_t len;

	if (!read_line(AT_FDCWD, "/sys/class/dmi/id/bios_version", text, LINE_MAX_LEN))
		return 0;
	len = strlen(text);
	if (read_line(AT_FDCWD, "/sys/class/dmi/id/bios_release", release, sizeof(release)))
		snprintf(text + len, sizeof(text) - len, " (%s)", release);
	return probe_fact(probe, "machine.firmware", text);
}

int probe_facts(struct probe *probe)
{
	int err = probe_fact(probe, "source", "gabi " GABI_VERSION);

	if (!err)
		err = kernel_facts(probe);
	if (!err)
		err = module_facts(probe);
	if (!err)
		err = firmware_fact(probe);
	return err;
}
