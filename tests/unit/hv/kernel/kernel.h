/* SPDX-License-Identifier: MIT */
/* The few kernel idioms that include/hyperv uses. */
#ifndef KERNEL_H
#define KERNEL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef unsigned long ulong;

#define CONFIG_X86 1
#define IS_ENABLED(x) x
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define BIT(n) (1ul << (n))
#define BIT_ULL(n) (1ull << (n))
#define GENMASK(high, low) (((~0ul) << (low)) & (~0ul >> (63 - (high))))
#define GENMASK_ULL(high, low) GENMASK(high, low)
#define DECLARE_FLEX_ARRAY(type, name) \
	struct { \
		struct { } empty; \
		type name[]; \
	}
#define __TRAILING_OVERLAP(type, name, flex, attrs, members) \
	union { \
		type name; \
		struct { \
			u8 before_##flex[offsetof(type, flex)]; \
			members \
		} attrs; \
	}

#endif
