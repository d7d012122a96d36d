/* SPDX-License-Identifier: MIT */
/*
 * Where running guests are found: a directory for each, by its name, in $XDG_RUNTIME_DIR/gabi, or in /run/gabi for root without that.
 * In it are the socket, the contract, and a lock that the monitor holds while it lives: one that nobody holds is that of a dead one.
 */
#ifndef GABI_VMM_PLACE_H
#define GABI_VMM_PLACE_H

#include <gabi/err.h>

#include <stdbool.h>
#include <stddef.h>

#define VMM_NAME_CAP 48u /* bytes of a guest's name, with a final NUL */
#define VMM_PLACE_CAP 108u /* as long as a socket's address */

struct vmm_place {
	char name[VMM_NAME_CAP];
	char path[VMM_PLACE_CAP];
	int dir, lock, listener; /* -1: none */
};

/* Letters, digits, '.', '_' and '-', and not '.' first. */
bool vmm_name_is_good(const char *name);

/*
 * Makes a guest's place and holds it; what a dead monitor left there is replaced. name NULL: one like that of the image, with a
 * number if there is such a guest. GABI_ERR_CONFLICT: a guest of that name runs.
 */
int vmm_place_make(const char *name, const char *image, struct vmm_place *ret_place, struct gabi_diag *diag);

/* Writes a file there, whole or not at all. */
int vmm_place_write(const struct vmm_place *place, const char *file, const char *text, size_t len, struct gabi_diag *diag);

/* The place vanishes, with all that is in it. */
void vmm_place_remove(struct vmm_place *place);

/* ---- from outside ---- */

/* Is its monitor alive? place: name and path. */
int vmm_place_find(const char *name, struct vmm_place *ret_place, bool *ret_alive, struct gabi_diag *diag);

/* A connection to its socket; a GABI_ERR if there is none. */
int vmm_place_connect(const struct vmm_place *place, int *ret_socket, struct gabi_diag *diag);

/* Calls found for each name that there is, in no order; no directory at all is none. */
int vmm_place_list(void (*found)(void *ctx, const char *name), void *ctx, struct gabi_diag *diag);

#endif
