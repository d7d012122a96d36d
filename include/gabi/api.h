/* SPDX-License-Identifier: MIT */
/* What every public header needs: symbol visibility and C linkage. */
#ifndef GABI_API_H
#define GABI_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GABI_API __attribute__((visibility("default")))
#else
#define GABI_API
#endif

#ifdef __cplusplus
#define GABI_BEGIN extern "C" {
#define GABI_END }
#else
#define GABI_BEGIN
#define GABI_END
#endif

#endif
