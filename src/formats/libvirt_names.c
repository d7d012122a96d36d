/* SPDX-License-Identifier: MIT */
#include "formats/libvirt.h"

#include "base/base.h"

#include <string.h>

struct pair {
	const char *libvirt, *qemu;
};

static const struct pair features[] = {
#define GABI_LIBVIRT_NAME_ROW(name, of_qemu) { name, of_qemu },
#include <models/libvirt.def>
};

static const struct pair enlightenments[] = {
#define GABI_LIBVIRT_HYPERV_ROW(name, property) { name, property },
#include <models/libvirt.def>
};

static const char *const arm64[] = {
#define GABI_LIBVIRT_ARM64_ROW(name) name,
#include <models/libvirt.def>
};

static const char *to_qemu(const struct pair *pairs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name, pairs[i].libvirt))
			return pairs[i].qemu;
	return NULL;
}

static const char *from_qemu(const struct pair *pairs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name, pairs[i].qemu))
			return pairs[i].libvirt;
	return NULL;
}

const char *gabi_libvirt_qemu_name(const char *name)
{
	const char *found = to_qemu(features, GABI_COUNT_OF(features), name);

	return found ? found : name;
}

const char *gabi_libvirt_name(const char *qemu)
{
	const char *found = from_qemu(features, GABI_COUNT_OF(features), qemu);

	return found ? found : qemu;
}

const char *gabi_libvirt_enlightenment(const char *name)
{
	return to_qemu(enlightenments, GABI_COUNT_OF(enlightenments), name);
}

const char *gabi_libvirt_element(const char *property)
{
	return from_qemu(enlightenments, GABI_COUNT_OF(enlightenments), property);
}

const char *const *gabi_libvirt_arm64_names(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(arm64);
	return arm64;
}

bool gabi_libvirt_has_arm64(const char *name)
{
	for (size_t i = 0; i < GABI_COUNT_OF(arm64); i++)
		if (!strcmp(name, arm64[i]))
			return true;
	return false;
}
