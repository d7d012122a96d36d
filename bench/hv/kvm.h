/* SPDX-License-Identifier: MIT */
/*
 * What KVM's hypercalls stand on, for the code that hv.sh cuts out of a kernel's source: each thing as cheap as it can be, so that
 * what is measured is no more than KVM's own decoding and dispatch. Tracepoints are off, events and interrupts go nowhere.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t u64, gpa_t, __u64;
typedef uint32_t u32, __u32;
typedef uint16_t u16;
typedef uint8_t u8;
typedef uint64_t sse128_t __attribute__((vector_size(16)));

#define CONFIG_X86_64 1
#define PAGE_SIZE 4096u
#define U32_MAX UINT32_MAX
#define EINVAL 22
#define UD_VECTOR 6
#define APIC_DM_FIXED 0
#define __packed __attribute__((packed))
#define fallthrough __attribute__((fallthrough))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define BIT(n) (1ul << (n))
#define BIT_ULL(n) (1ull << (n))
#define GENMASK(high, low) ((~0ul << (low)) & (~0ul >> (63 - (high))))
#define GENMASK_ULL GENMASK
#define BUILD_BUG_ON(x) _Static_assert(!(x), #x)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, 64)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define hweight64 __builtin_popcountll
#define offset_in_page(x) ((x) & (PAGE_SIZE - 1))
#define atomic_read(x) (*(x))
#define for_each_set_bit(bit, at, size) for (u64 left_ = *(at); left_ && ((bit) = __builtin_ctzll(left_), true); left_ &= left_ - 1)
#define bitmap_zero(at, bits) memset(at, 0, (bits) / 8)
#define sse128_lo(x) ((x)[0])
#define sse128_hi(x) ((x)[1])
#define static_call(name) name
#define rcu_read_lock() __asm__ volatile("")
#define rcu_read_unlock() __asm__ volatile("")

#define KVM_MAX_VCPUS 1024
#define KVM_HV_MAX_SPARSE_VCPU_SET_BITS DIV_ROUND_UP(KVM_MAX_VCPUS, 64)
#define KVM_HYPERV_CONN_ID_MASK 0x00ffffff
#define KVM_REQ_TLB_FLUSH_GUEST 1
#define KVM_EXIT_HYPERV 27
#define KVM_EXIT_HYPERV_HCALL 2
#define HV_X64_SYNDBG_OPTION_USE_HCALLS BIT(2)
#define EVENTS 64

struct eventfd_ctx { u64 count; };

struct kvm_hv {
	int num_mismatched_vp_indexes;
	struct eventfd_ctx *conn_to_evt[EVENTS];
	struct kvm_hv_syndbg { struct { u64 options; } at; u64 options; bool active; } hv_syndbg;
};

struct kvm {
	struct { struct kvm_hv hyperv; } arch;
	u32 vcpus;
	struct kvm_vcpu *vcpu;
	u8 *ram;
	u64 ram_len;
};

struct kvm_vcpu_hv {
	struct kvm_vcpu *vcpu;
	u32 vp_index;
	bool enforce_cpuid;
	struct { bool active; } synic;
	struct { u32 features_eax, features_ebx, features_edx, enlightenments_eax, enlightenments_ebx; } cpuid_cache;
};

struct kvm_run {
	u32 exit_reason;
	struct { u32 type; struct { struct { u64 input, result, params[2]; } hcall; } u; } hyperv;
};

struct kvm_vcpu {
	struct kvm *kvm;
	struct kvm_run *run;
	u32 vcpu_idx, requests, cpl, cr0;
	struct {
		u64 regs[17];
		struct kvm_vcpu_hv *hyperv;
		int (*complete_userspace_io)(struct kvm_vcpu *vcpu);
		sse128_t xmm[6];
		u64 irr[4];
	} arch;
	struct { u64 hypercalls; } stat;
	struct kvm_vcpu_hv hv;
};

struct kvm_lapic_irq { u32 vector, delivery_mode; };

static inline u64 kvm_rax_read(struct kvm_vcpu *v) { return v->arch.regs[0]; }
static inline u64 kvm_rcx_read(struct kvm_vcpu *v) { return v->arch.regs[1]; }
static inline u64 kvm_rdx_read(struct kvm_vcpu *v) { return v->arch.regs[2]; }
static inline u64 kvm_rbx_read(struct kvm_vcpu *v) { return v->arch.regs[3]; }
static inline u64 kvm_rsi_read(struct kvm_vcpu *v) { return v->arch.regs[6]; }
static inline u64 kvm_rdi_read(struct kvm_vcpu *v) { return v->arch.regs[7]; }
static inline u64 kvm_r8_read(struct kvm_vcpu *v) { return v->arch.regs[8]; }
static inline void kvm_rax_write(struct kvm_vcpu *v, u64 value) { v->arch.regs[0] = value; }
static inline void kvm_rdx_write(struct kvm_vcpu *v, u64 value) { v->arch.regs[2] = value; }
static inline int kvm_x86_get_cpl(struct kvm_vcpu *v) { return (int)v->cpl; }
static inline bool is_protmode(struct kvm_vcpu *v) { return v->cr0 & 1; }
static inline bool is_64_bit_hypercall(struct kvm_vcpu *v) { return v->cr0 & 2; }
static inline bool lapic_in_kernel(struct kvm_vcpu *v) { (void)v; return true; }
static inline struct kvm_hv *to_kvm_hv(struct kvm *kvm) { return &kvm->arch.hyperv; }
static inline struct kvm_vcpu_hv *to_hv_vcpu(struct kvm_vcpu *v) { return v->arch.hyperv; }
#define to_hv_synic(v) (&to_hv_vcpu(v)->synic)
#define to_hv_syndbg(v) (&(v)->kvm->arch.hyperv.hv_syndbg)
static inline bool kvm_hv_is_syndbg_enabled(struct kvm_vcpu *v) { return v->kvm->arch.hyperv.hv_syndbg.active; }
static inline u32 kvm_hv_get_vpindex(struct kvm_vcpu *v) { return v->hv.vp_index; }
static inline bool test_bit(unsigned long bit, const unsigned long *at) { return at[bit / 64] >> bit % 64 & 1; }
static inline void __set_bit(unsigned long bit, unsigned long *at) { at[bit / 64] |= 1ul << bit % 64; }
#define kvm_for_each_vcpu(i, v, kvm) for ((i) = 0; (i) < (kvm)->vcpus && ((v) = &(kvm)->vcpu[i], true); (i)++)

static inline int kvm_read_guest(struct kvm *kvm, gpa_t gpa, void *to, unsigned long len)
{
	if (gpa + len > kvm->ram_len)
		return -1;
	memcpy(to, kvm->ram + gpa, len);
	return 0;
}

static inline int kvm_vcpu_read_guest(struct kvm_vcpu *v, gpa_t gpa, void *to, unsigned long len)
{
	return kvm_read_guest(v->kvm, gpa, to, len);
}

static inline struct eventfd_ctx *idr_find_(struct eventfd_ctx **events, u64 id) { return id < EVENTS ? events[id] : NULL; }
#define idr_find(events, id) idr_find_(*(events), id)
static inline void eventfd_signal(struct eventfd_ctx *event, int by) { event->count += (u64)by; }
static inline void kvm_vcpu_on_spin(struct kvm_vcpu *v, bool kernel) { (void)kernel; v->requests++; }
static inline void kvm_queue_exception(struct kvm_vcpu *v, int vector) { v->requests = (u32)vector; }
static inline int kvm_skip_emulated_instruction(struct kvm_vcpu *v) { v->arch.regs[16] += 3; return 1; }
static inline void kvm_apic_set_irq(struct kvm_vcpu *v, struct kvm_lapic_irq *irq, void *map)
{
	(void)map;
	v->arch.irr[irq->vector / 64 & 3] |= 1ull << irq->vector % 64;
}
static inline void kvm_make_all_cpus_request(struct kvm *kvm, u32 what)
{
	for (u32 i = 0; i < kvm->vcpus; i++)
		kvm->vcpu[i].requests |= what;
}
static inline void kvm_make_vcpus_request_mask(struct kvm *kvm, u32 what, unsigned long *mask)
{
	for (u32 bank = 0; bank < kvm->vcpus / 64; bank++)
		for (u64 left = mask[bank]; left; left &= left - 1)
			kvm->vcpu[bank * 64 + (u32)__builtin_ctzll(left)].requests |= what;
}
#define kvm_fpu_get() __asm__ volatile("")
#define kvm_fpu_put() __asm__ volatile("")
#define trace_kvm_hv_hypercall(...) __asm__ volatile("")
#define trace_kvm_hv_hypercall_done(...) __asm__ volatile("")
#define trace_kvm_hv_flush_tlb(...) __asm__ volatile("")
#define trace_kvm_hv_flush_tlb_ex(...) __asm__ volatile("")
#define trace_kvm_hv_send_ipi(...) __asm__ volatile("")
#define trace_kvm_hv_send_ipi_ex(...) __asm__ volatile("")

static struct kvm vm;
static struct kvm_vcpu vcpus[KVM_MAX_VCPUS];
static struct kvm_run run;
static struct eventfd_ctx event;
#define _kvm_read_sse_reg(reg, to) (*(to) = vcpus[0].arch.xmm[reg])
