/* SPDX-License-Identifier: MIT */
/* All tables of the vocabulary, in the order of enum gabi_space. Included once for each kind of row: no guard. */
#ifndef GABI_FIELD_ROW
#define GABI_FIELD_ROW(...)
#endif
#ifndef GABI_REG_ROW
#define GABI_REG_ROW(...)
#endif
#ifndef GABI_SHOW_ROW
#define GABI_SHOW_ROW(...)
#endif
#include <gabi/cpuid.def>
#include <gabi/kvm_cpuid.def>
#include <gabi/hyperv.def>
#include <gabi/msr.def>
#include <gabi/cap.def>
#include <gabi/arm64.def>
#include <gabi/vm.def>
#undef GABI_FIELD_ROW
#undef GABI_REG_ROW
#undef GABI_SHOW_ROW
