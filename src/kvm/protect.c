/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(UFFDIO, 0)
#endif
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((uint64_t)1 << 1)
#endif

enum { PAGE = 4096, AROUND = 64 /* pages that are mapped at once */ };

#define MODES (UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR)

/* ---- the kernel's calls; each 0 or -1 ---- */

static int register_range(int uffd, void *at, uint64_t len)
{
	struct uffdio_register call = { .range = { (uintptr_t)at, len }, .mode = MODES };

	return ioctl(uffd, UFFDIO_REGISTER, &call);
}

static int write_protect(int uffd, void *at, uint64_t len, bool protects)
{
	struct uffdio_writeprotect call = { .range = { (uintptr_t)at, len }, .mode = protects ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };
	int ret;

	do
		ret = ioctl(uffd, UFFDIO_WRITEPROTECT, &call);
	while (ret && errno == EAGAIN);
	return ret;
}

static int wake(int uffd, void *at, uint64_t len)
{
	struct uffdio_range range = { (uintptr_t)at, len };

	return ioctl(uffd, UFFDIO_WAKE, &range);
}

/* Maps what the file has there. It is enough if the first page is mapped, or was already. */
static int map_pages(int uffd, void *at, uint64_t len, uint64_t mode)
{
	struct uffdio_continue call = { .range = { (uintptr_t)at, len }, .mode = mode };
	int ret;

	do
		ret = ioctl(uffd, UFFDIO_CONTINUE, &call);
	while (ret && errno == EAGAIN && call.mapped <= 0);
	return !ret || call.mapped > 0 || errno == EEXIST ? 0 : -1;
}

/* ---- can it be done here? ---- */

static int open_uffd(struct protect *protect)
{
	static const uint64_t features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_THREAD_ID |
					 UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

	protect->uffd = device >= 0 ? ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK) : -1;
	kvm_close(device);
	if (protect->uffd < 0)
		protect->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	return protect->uffd < 0 || ioctl(protect->uffd, UFFDIO_API, &api) ? -1 : 0;
}

/* Is there a way to map a page that is write-protected from its first moment on? */
static bool has_continue_wp(int uffd)
{
	int file = memfd_create("probe", MFD_CLOEXEC);
	unsigned char *at, byte = 0;
	bool has = false;

	if (file < 0 || write(file, &byte, 1) != 1 || ftruncate(file, PAGE)) {
		kvm_close(file);
		return false;
	}
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (at != MAP_FAILED) {
		has = !register_range(uffd, at, PAGE) && !map_pages(uffd, at, PAGE, UFFDIO_CONTINUE_MODE_WP);
		munmap(at, PAGE);
	}
	kvm_close(file);
	return has;
}

/* mov %al, 0x1000; hlt: in real mode, at address 0. */
static const unsigned char store[] = { 0xa2, 0x00, 0x10, 0xf4 };

/* At address 0 in real mode; or with paging, and the page directory is in the second page. */
static int set_to_begin(int vcpu, bool paging)
{
	enum { CR0_PE = 1, CODE = 11, DATA = 3 };
	const uint64_t cr0_pg = (uint64_t)1 << 31;
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rflags = 2 };

	if (kvm_ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = sregs.cs.selector = 0;
	if (paging) {
		sregs.cs = (struct kvm_segment){ .limit = UINT32_MAX, .selector = 8, .type = CODE, .present = 1, .db = 1, .s = 1, .g = 1 };
		sregs.ds = (struct kvm_segment){ .limit = UINT32_MAX, .selector = 16, .type = DATA, .present = 1, .db = 1, .s = 1, .g = 1 };
		sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
		sregs.cr3 = PAGE;
		sregs.cr0 |= CR0_PE | cr0_pg;
	}
	return kvm_ioctl(vcpu, KVM_SET_SREGS, &sregs) || kvm_ioctl(vcpu, KVM_SET_REGS, &regs) ? -1 : 0;
}

/* How KVM ended a run: errno, or 0 and its reason. */
struct ended {
	int sys_errno;
	uint32_t reason;
};

static struct ended end_of_run(int vcpu, const struct kvm_run *run)
{
	if (kvm_ioctl(vcpu, KVM_RUN, NULL))
		return (struct ended){ .sys_errno = errno };
	return (struct ended){ .reason = run->exit_reason };
}

/* A store to a page that its owner may only read, and the walk through a page table that it may not touch. */
static int try_both(int vcpu, const struct kvm_run *run, unsigned char *memory, struct ended *ret_store, struct ended *ret_walk)
{
	if (mprotect(memory + PAGE, PAGE, PROT_READ) || set_to_begin(vcpu, false))
		return -1;
	*ret_store = end_of_run(vcpu, run);
	if (mprotect(memory + PAGE, PAGE, PROT_NONE) || set_to_begin(vcpu, true))
		return -1;
	*ret_walk = end_of_run(vcpu, run);
	return 0;
}

static int try_accesses(const struct gabi_kvm_machine *machine, int vm, unsigned char *memory, struct ended *ret_store, struct ended *ret_walk)
{
	struct kvm_userspace_memory_region region = { .memory_size = 2 * PAGE, .userspace_addr = (uintptr_t)memory };
	unsigned long tss = 0xfffbd000;
	void *run = MAP_FAILED;
	int vcpu = -1, ret = -1;

	memcpy(memory, store, sizeof(store));
	if (!kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) && !kvm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)tss))
		vcpu = ioctl(vm, KVM_CREATE_VCPU, 0ul);
	if (vcpu >= 0)
		run = mmap(NULL, machine->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run != MAP_FAILED) {
		ret = try_both(vcpu, run, memory, ret_store, ret_walk);
		munmap(run, machine->run_len);
	}
	kvm_close(vcpu);
	return ret;
}

/* Accesses that end with EFAULT can be made again. A KVM that ends one otherwise says how; one that cannot run at all is not to be judged by it. */
static int must_fault(const struct ended *ended, const char *sentence, const char *rest, struct gabi_diag *diag)
{
	char number[16];
	struct gabi_out out = gabi_out_to(number, sizeof(number));

	if (ended->sys_errno == EFAULT)
		return 0;
	errno = ended->sys_errno;
	if (errno)
		return kvm_refused(diag, "try a protected page");
	gabi_out_hex(&out, ended->reason, 1);
	return gabi_fail(diag, GABI_ERR_UNSUPPORTED, sentence, " (it gives the exit reason 0x", number, ")", rest, (char *)NULL);
}

static int check_accesses(const struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	unsigned char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ended at_store = { 0 }, at_walk = { 0 };
	int kvm = -1, vm = -1, err = kvm_open(machine->options.device, &kvm, diag);

	if (memory == MAP_FAILED)
		err = gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (!err)
		err = kvm_vm_new(kvm, 0, &vm, diag);
	if (!err && try_accesses(machine, vm, memory, &at_store, &at_walk))
		err = kvm_refused(diag, "try a protected page");
	if (!err)
		err = must_fault(&at_store, "this KVM does not stop at an access that memory's protection forbids",
				 ", so that trust levels could not protect their memory", diag);
	if (!err)
		err = must_fault(&at_walk, "this KVM does not stop at a page table that memory's protection forbids, for want of nested paging (EPT or NPT)",
				 ", so that trust levels could not be told", diag);
	kvm_close(vm);
	kvm_close(kvm);
	if (memory != MAP_FAILED)
		munmap(memory, 2 * PAGE);
	return err;
}

/* ---- pages ---- */

static unsigned rights_of(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t offset)
{
	return machine->options.rights(machine->options.ctx, vtl, memory_gpa(&machine->memory, offset));
}

static unsigned char *page_at(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t offset)
{
	return machine->level[vtl].view + offset;
}

/* Linux before 6.4: the page's owner may not write either while it comes in. Whoever does so meanwhile tries again. */
static int map_read_only_slowly(struct protect *protect, void *at)
{
	int ret;

	atomic_fetch_add(&protect->changes, 1);
	if (mprotect(at, PAGE, PROT_READ))
		return -1;
	ret = map_pages(protect->uffd, at, PAGE, UFFDIO_CONTINUE_MODE_DONTWAKE);
	if (!ret)
		ret = write_protect(protect->uffd, at, PAGE, true);
	if (mprotect(at, PAGE, PROT_READ | PROT_WRITE))
		ret = -1;
	atomic_fetch_add(&protect->changes, 1);
	return ret;
}

/* The end of what is one mapping from there on, as the cuts let it; at most end. */
static uint64_t uncut(const struct protect *protect, unsigned vtl, uint64_t offset, uint64_t end)
{
	for (unsigned i = 0; i < PROTECT_CUTS; i++) {
		uint64_t at = protect->cut[i].offset;

		if (!protect->cut[i].is || protect->cut[i].vtl != vtl || at < offset)
			continue;
		at += at == offset ? PAGE : 0;
		end = at < end ? at : end;
	}
	return end;
}

/* How many pages from there on have the same rights, up to what is mapped at once. */
static uint64_t run_of_pages(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t offset, unsigned rights)
{
	uint64_t end = (offset / PAGE / AROUND + 1) * AROUND * PAGE, at = offset + PAGE;

	if (end > machine->memory.len)
		end = machine->memory.len;
	end = uncut(&machine->protect, vtl, offset, end);
	while (at < end && !memory_is_covered(&machine->memory, vtl, at) && rights_of(machine, vtl, at) == rights)
		at += PAGE;
	return at - offset;
}

/* An access that is allowed met a page that is not in the level's page tables yet. */
static int let_in(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t offset, unsigned rights)
{
	struct protect *protect = &machine->protect;
	unsigned char *at = page_at(machine, vtl, offset);
	bool read_only = !(rights & GABI_KVM_WRITE);
	uint64_t len = run_of_pages(machine, vtl, offset, rights);

	(void)*(volatile unsigned char *)(machine->memory.view + offset); /* it is in the file from now on */
	if (read_only && !protect->continue_wp)
		return map_read_only_slowly(protect, at);
	return map_pages(protect->uffd, at, len, UFFDIO_CONTINUE_MODE_DONTWAKE | (read_only ? UFFDIO_CONTINUE_MODE_WP : 0));
}

/* ---- accesses that are refused ---- */

static bool same_page(const struct refused *a, const struct refused *b)
{
	return a->vtl == b->vtl && a->offset == b->offset;
}

static uintptr_t region_of(const struct gabi_kvm_machine *machine, const struct cut *cut)
{
	enum { REGION = 2 << 20 };

	return (uintptr_t)page_at(machine, cut->vtl, cut->offset) / REGION;
}

/*
 * A page that is closed is cut out of its mapping, and grows into it again when it is opened. When the kernel cuts a mapping it drops what KVM has
 * mapped in the 2 MiB around (split_huge_pmd_address), huge or not, and a guest's next accesses there are faults. So the pages that were closed last keep a mapping
 * of their own, one in such a region: next to it the kernel drops nothing, and it itself is closed and opened without a cut. What keeps it apart is an advice
 * that its neighbours do not have; it is on reading ahead, which memory in a memfd is not.
 */
static void keep_cut(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t offset)
{
	struct protect *protect = &machine->protect;
	struct cut *oldest, cut = { .is = true, .vtl = (unsigned char)vtl, .offset = offset };

	for (unsigned i = 0; i < PROTECT_CUTS; i++)
		if (protect->cut[i].is && region_of(machine, &protect->cut[i]) == region_of(machine, &cut))
			return;
	oldest = &protect->cut[protect->cuts++ % PROTECT_CUTS];
	if (oldest->is)
		madvise(page_at(machine, oldest->vtl, oldest->offset), PAGE, MADV_NORMAL);
	*oldest = cut;
	madvise(page_at(machine, vtl, offset), PAGE, MADV_RANDOM);
}

/* What lay there is mapped anew. */
static void forget_cut(struct protect *protect, unsigned vtl, uint64_t offset)
{
	for (unsigned i = 0; i < PROTECT_CUTS; i++)
		if (protect->cut[i].vtl == vtl && protect->cut[i].offset == offset)
			protect->cut[i].is = false;
}

/* Lets the page be reached again as its rights are, unless another processor has yet to hear of it. */
static void open_page(struct gabi_kvm_machine *machine, struct refused *refused)
{
	struct protect *protect = &machine->protect;

	atomic_store(&refused->is, false);
	atomic_fetch_sub(&protect->closed, 1);
	for (unsigned vp = 0; vp < machine->options.vps; vp++)
		if (atomic_load(&protect->refused[vp].is) && same_page(&protect->refused[vp], refused))
			return;
	keep_cut(machine, refused->vtl, refused->offset);
	mprotect(page_at(machine, refused->vtl, refused->offset), PAGE, PROT_READ | PROT_WRITE);
	atomic_fetch_add(&protect->changes, 1);
}

static void close_page(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t offset, bool write)
{
	struct protect *protect = &machine->protect;
	struct refused *refused = &protect->refused[vp];

	if (atomic_load(&refused->is))
		open_page(machine, refused);
	refused->vtl = (unsigned char)vtl;
	refused->offset = offset;
	refused->write = write;
	mprotect(page_at(machine, vtl, offset), PAGE, PROT_NONE);
	atomic_fetch_add(&protect->changes, 1);
	atomic_fetch_add(&protect->closed, 1);
	atomic_store(&refused->is, true);
}

enum protect_fault protect_fault(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t changes, uint64_t *ret_gpa, bool *ret_write)
{
	struct protect *protect = &machine->protect;
	struct refused *refused;
	enum protect_fault result = PROTECT_NONE;

	if (protect->uffd < 0)
		return PROTECT_NONE;
	pthread_mutex_lock(&protect->lock);
	refused = &protect->refused[vp];
	if (atomic_load(&refused->is) && refused->vtl == vtl) {
		*ret_gpa = memory_gpa(&machine->memory, refused->offset);
		*ret_write = refused->write;
		open_page(machine, refused);
		result = PROTECT_REFUSED;
	} else if (atomic_load(&protect->closed) || atomic_load(&protect->changes) != changes) {
		result = PROTECT_RETRY;
	}
	pthread_mutex_unlock(&protect->lock);
	if (result == PROTECT_RETRY)
		sched_yield();
	return result;
}

void protect_forget(struct gabi_kvm_machine *machine, unsigned vp)
{
	struct protect *protect = &machine->protect;

	if (!protect->refused || !atomic_load(&protect->refused[vp].is))
		return;
	pthread_mutex_lock(&protect->lock);
	if (atomic_load(&protect->refused[vp].is))
		open_page(machine, &protect->refused[vp]);
	pthread_mutex_unlock(&protect->lock);
}

/* ---- the thread that reads of accesses that wait ---- */

static int vp_of_thread(const struct gabi_kvm_machine *machine, int thread)
{
	for (unsigned vp = 0; vp < machine->options.vps; vp++)
		if (atomic_load(&machine->call[vp].inside) == thread)
			return (int)vp;
	return -1;
}

static bool find_level(const struct gabi_kvm_machine *machine, uint64_t address, unsigned *ret_vtl, uint64_t *ret_offset)
{
	for (unsigned vtl = 0; vtl < machine->options.vtls; vtl++) {
		uint64_t offset = address - (uintptr_t)machine->level[vtl].view;

		if (machine->level[vtl].view && offset < machine->memory.len) {
			*ret_vtl = vtl;
			*ret_offset = offset & ~(uint64_t)(PAGE - 1);
			return true;
		}
	}
	return false;
}

static void serve(struct gabi_kvm_machine *machine, const struct uffd_msg *msg)
{
	struct protect *protect = &machine->protect;
	uint64_t flags = msg->arg.pagefault.flags, offset;
	bool write = flags & UFFD_PAGEFAULT_FLAG_WRITE;
	unsigned vtl, rights;
	int vp;

	if (!find_level(machine, msg->arg.pagefault.address, &vtl, &offset))
		return;
	pthread_mutex_lock(&protect->lock);
	rights = rights_of(machine, vtl, offset);
	vp = vp_of_thread(machine, (int)msg->arg.pagefault.feat.ptid);
	if (rights & GABI_KVM_READ && (!write || rights & GABI_KVM_WRITE)) {
		if (flags & UFFD_PAGEFAULT_FLAG_WP)
			write_protect(protect->uffd, page_at(machine, vtl, offset), PAGE, false);
		else
			let_in(machine, vtl, offset, rights);
	} else if (vp >= 0) {
		close_page(machine, (unsigned)vp, vtl, offset, write);
	}
	pthread_mutex_unlock(&protect->lock);
	wake(protect->uffd, page_at(machine, vtl, offset), PAGE); /* whoever runs at once wants the lock */
}

static void *read_faults(void *ctx)
{
	struct gabi_kvm_machine *machine = ctx;
	struct protect *protect = &machine->protect;
	struct pollfd fds[] = { { protect->uffd, POLLIN, 0 }, { protect->stop, POLLIN, 0 } };
	struct uffd_msg msg;

	if (machine->options.thread)
		machine->options.thread(machine->options.ctx);
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			return NULL;
		while (read(protect->uffd, &msg, sizeof(msg)) == (ssize_t)sizeof(msg))
			if (msg.event == UFFD_EVENT_PAGEFAULT)
				serve(machine, &msg);
	}
}

/* ---- making ---- */

static int start_thread(struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	struct protect *protect = &machine->protect;
	sigset_t all, old;
	int failed;

	protect->stop = eventfd(0, EFD_CLOEXEC);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = protect->stop < 0 ? errno : pthread_create(&protect->thread, NULL, read_faults, machine);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	protect->has_thread = !failed;
	return failed ? gabi_fail(diag, GABI_ERR_NOMEM, "there is no room for a thread more: ", strerror(failed), (char *)NULL) : 0;
}

int protect_init(struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	struct protect *protect = &machine->protect;
	int err;

	pthread_mutex_init(&protect->lock, NULL);
	if (!machine->options.rights)
		return gabi_fail(diag, GABI_ERR_ARG, "a machine with trust levels is asked for their rights", (char *)NULL);
	protect->refused = gabi_mem_get(&machine->mem, machine->options.vps * sizeof(*protect->refused));
	if (!protect->refused)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (open_uffd(protect)) {
		err = gabi_fail(diag, GABI_ERR_UNSUPPORTED, "trust levels protect their memory by userfaultfd with write protection of shared "
				"memory, which Linux 5.19 brought and which takes root or access to /dev/userfaultfd: ", strerror(errno), (char *)NULL);
		kvm_close(protect->uffd);
		protect->uffd = -1;
		return err;
	}
	protect->continue_wp = has_continue_wp(protect->uffd);
	err = check_accesses(machine, diag);
	return err ? err : start_thread(machine, diag);
}

/* All that wait are woken when the descriptor closes. */
void protect_free(struct gabi_kvm_machine *machine)
{
	struct protect *protect = &machine->protect;
	uint64_t one = 1;

	if (protect->has_thread && write(protect->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(protect->thread, NULL);
	kvm_close(protect->stop);
	kvm_close(protect->uffd);
	gabi_mem_put(&machine->mem, protect->refused);
}

/* ---- setting ---- */

/* The kernel write-protects within one mapping at a time, and pages that lie over a view, are closed or were so lately have their own. */
static uint64_t piece(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t offset, uint64_t len)
{
	uint64_t end = uncut(&machine->protect, vtl, offset, memory_next_covered(&machine->memory, vtl, offset, offset + len));

	for (unsigned vp = 0; atomic_load(&machine->protect.closed) && vp < machine->options.vps; vp++) {
		const struct refused *refused = &machine->protect.refused[vp];

		if (!atomic_load(&refused->is) || refused->vtl != vtl)
			continue;
		if (refused->offset == offset)
			return PAGE;
		if (refused->offset > offset && refused->offset < end)
			end = refused->offset;
	}
	return end - offset;
}

/* Nobody has to be woken: opening pages to writes does it, and who waits for one that was not mapped is served with what is right by then. */
static int set_piece(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t offset, uint64_t len, unsigned rights)
{
	unsigned char *at = page_at(machine, vtl, offset);
	bool lost = shim_execute(machine->level[vtl].shim, memory_gpa(&machine->memory, offset), len, rights & GABI_KVM_EXECUTE);

	if (lost || !(rights & GABI_KVM_READ))
		return madvise(at, len, MADV_DONTNEED);
	return write_protect(machine->protect.uffd, at, len, !(rights & GABI_KVM_WRITE));
}

static int begin(struct gabi_kvm_machine *machine, unsigned vtl)
{
	struct protect *protect = &machine->protect;
	uint64_t at = 0, end;

	for (; !protect->begun[vtl] && at < machine->memory.len; at = end + PAGE) {
		end = memory_next_covered(&machine->memory, vtl, at, machine->memory.len);
		if (end > at && register_range(protect->uffd, page_at(machine, vtl, at), end - at))
			return -1;
	}
	protect->begun[vtl] = true;
	return 0;
}

/*
 * No call flushes a guest's TLB. But KVM flushes all of a VM's when a page goes that it has mapped, and the page of the instruction that
 * asks is one: the processor has just fetched it from there. If that page has gone since, then so have the TLBs.
 */
int gabi_kvm_vp_flush(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_diag *diag)
{
	uint64_t gpa, offset = 0, len = PAGE;
	int failed;

	if (!is_there(machine, vp, vtl))
		return gabi_fail(diag, GABI_ERR_ARG, "there is no such virtual processor or trust level", (char *)NULL);
	if (gabi_kvm_vp_translate(machine, vp, vtl, run_of(machine, vp, vtl)->s.regs.regs.rip, &gpa) || !memory_find(&machine->memory, gpa, 1, &offset))
		len = machine->memory.len;
	pthread_mutex_lock(&machine->protect.lock);
	failed = madvise(page_at(machine, vtl, offset - offset % PAGE), len, MADV_DONTNEED);
	pthread_mutex_unlock(&machine->protect.lock);
	return failed ? kvm_refused(diag, "drop a page, for TLBs to be flushed") : 0;
}

int gabi_kvm_machine_protect(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, uint64_t len, unsigned rights, struct gabi_diag *diag)
{
	struct protect *protect = &machine->protect;
	uint64_t offset, here;
	int failed;

	if (vtl >= machine->options.vtls || protect->uffd < 0 || gpa % PAGE || len % PAGE || !memory_find(&machine->memory, gpa, len, &offset))
		return gabi_fail(diag, GABI_ERR_ARG, "only pages of RAM can be protected, on a machine with trust levels", (char *)NULL);
	pthread_mutex_lock(&protect->lock);
	failed = begin(machine, vtl);
	for (uint64_t end = offset + len; !failed && offset < end; offset += here) {
		here = piece(machine, vtl, offset, end - offset);
		if (here)
			failed = set_piece(machine, vtl, offset, here, rights);
		else
			here = PAGE; /* another page lies over it */
	}
	pthread_mutex_unlock(&protect->lock);
	return failed ? kvm_refused(diag, "protect memory") : 0;
}

/* A page that lies over another has all rights; the one below gets its own back before it comes to light. */
static void cover_execute(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, bool covers)
{
	uint64_t offset;

	if (memory_find(&machine->memory, gpa, PAGE, &offset))
		shim_execute(machine->level[vtl].shim, gpa, PAGE, covers || rights_of(machine, vtl, offset) & GABI_KVM_EXECUTE);
}

int protect_cover(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, uint32_t page)
{
	struct protect *protect = &machine->protect;
	uint64_t offset;
	int err;

	if (protect->uffd < 0)
		return memory_cover(&machine->memory, vtl, machine->level[vtl].view, gpa, page);
	pthread_mutex_lock(&protect->lock);
	if (page == UINT32_MAX)
		cover_execute(machine, vtl, gpa, false);
	err = memory_cover(&machine->memory, vtl, machine->level[vtl].view, gpa, page);
	if (!err && page != UINT32_MAX)
		cover_execute(machine, vtl, gpa, true);
	if (!err && memory_find(&machine->memory, gpa, PAGE, &offset))
		forget_cut(protect, vtl, offset);
	if (!err && protect->begun[vtl] && page == UINT32_MAX) {
		if (register_range(protect->uffd, page_at(machine, vtl, offset), PAGE) ||
		    set_piece(machine, vtl, offset, PAGE, rights_of(machine, vtl, offset)))
			err = GABI_ERR_KVM;
	}
	pthread_mutex_unlock(&protect->lock);
	return err;
}
