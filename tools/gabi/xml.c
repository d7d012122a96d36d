/* SPDX-License-Identifier: MIT */
#include "xml.h"

#include <dlfcn.h>

#define LIBRARY "libgabi-xml.so.0"

/* What is used of the library; it stays loaded. */
static struct {
	int (*read)(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_xml **ret_xml, struct gabi_diag *diag);
	const struct gabi_xml_node *(*root)(const struct gabi_xml *xml);
	void (*free)(struct gabi_xml *xml);
} library;

static enum status load_library(void)
{
	void *handle;

	if (library.free)
		return STATUS_YES;
	handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		complain("an XML file needs " LIBRARY ", which cannot be loaded: %s", dlerror());
		return STATUS_REFUSED;
	}
	/* POSIX lets a pointer to an object stand for one to a function here. */
	*(void **)&library.read = dlsym(handle, "gabi_xml_read");
	*(void **)&library.root = dlsym(handle, "gabi_xml_root");
	*(void **)&library.free = dlsym(handle, "gabi_xml_free");
	if (library.read && library.root && library.free)
		return STATUS_YES;
	library.free = NULL;
	complain(LIBRARY " is not gabi's, or of another version");
	return STATUS_REFUSED;
}

bool is_xml(const struct text *text)
{
	size_t at = 0;

	while (at < text->len && (text->at[at] == ' ' || text->at[at] == '\t' || text->at[at] == '\r' || text->at[at] == '\n'))
		at++;
	return at < text->len && text->at[at] == '<';
}

enum status xml_parse(const char *path, const struct text *text, struct gabi_xml **ret_xml)
{
	struct gabi_diag diag = { 0 };
	enum status status = load_library();

	if (status)
		return status;
	return library.read(text->at, text->len, NULL, ret_xml, &diag) ? complain_diag(path, &diag) : STATUS_YES;
}

const struct gabi_xml_node *xml_root(const struct gabi_xml *xml)
{
	return library.root(xml);
}

void xml_free(struct gabi_xml *xml)
{
	library.free(xml);
}
