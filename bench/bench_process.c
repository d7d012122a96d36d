/* SPDX-License-Identifier: MIT */
/*
 * The command as whole processes, on the wall: one contract against one host, and against a thousand; the guest of a QEMU command line. The
 * peers are libvirt's command for the same question, where it is installed and answers, QEMU started and asked, and a process that does
 * nothing.
 */
#include "bench.h"
#include "fleet.h"

#include <gabi/formats.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOSTS 1000

extern char **environ;

static void stop(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(3);
}

/* Runs a command with its output thrown away; its exit status, or -1. */
static int run(char **argv)
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	status = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (status || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The best of several runs, in ns; a command that ends otherwise than with 0 or `also` is no measure. */
static double time_run(char **argv, int also, unsigned runs)
{
	double best = 0;

	for (unsigned i = 0; i < runs; i++) {
		uint64_t start = bench_wall_ns();
		int status = run(argv);
		double took = (double)(bench_wall_ns() - start);

		if (status != 0 && status != also)
			return 0;
		best = i == 0 || took < best ? took : best;
	}
	return best;
}

static char *new_path(const char *directory, const char *name, size_t number)
{
	char *path = malloc(strlen(directory) + strlen(name) + 32);

	if (!path)
		stop("out of memory");
	sprintf(path, "%s/%s%zu.json", directory, name, number);
	return path;
}

static void write_file(const char *path, char *text, size_t len)
{
	FILE *file = fopen(path, "wb");

	if (!file || fwrite(text, 1, len, file) != len || fclose(file))
		stop("a file cannot be written");
	gabi_text_free(text, NULL);
}

static void bench_arch(char *gabi, const char *manifests, const char *directory, enum gabi_arch arch, double nothing)
{
	struct fleet fleet = fleet_new(manifests, arch, HOSTS);
	struct gabi_contract *contract = fleet_pin(&fleet, 0, NULL, 0);
	char *argv[HOSTS + 4] = { gabi, (char[]){ "check" }, new_path(directory, "contract", 0) }, *text, *second;
	char data[128];
	double one, all;
	size_t len;

	if (gabi_contract_write(contract, NULL, &text, &len))
		stop("out of memory");
	write_file(argv[2], text, len);
	for (size_t i = 0; i < HOSTS; i++) {
		argv[3 + i] = new_path(directory, "host", i);
		if (gabi_host_write(fleet.hosts[i], NULL, &text, &len))
			stop("out of memory");
		write_file(argv[3 + i], text, len);
	}
	all = time_run(argv, 1, 10);
	second = argv[4];
	argv[4] = NULL;
	one = time_run(argv, 1, 40);
	argv[4] = second;
	if (!one || !all)
		stop("gabi check failed");
	snprintf(data, sizeof(data), "%s: %zu manifests, %zu as read, the others with less", gabi_arch_text(arch), fleet.count,
		 fleet.real);
	bench_print(&(struct bench_line){ "process", "gabi check, 1 host", 1, one, "a process that does nothing", nothing, data });
	bench_print(&(struct bench_line){ "process", "gabi check, 1000 hosts", HOSTS, all, "gabi check, 1 host", one, data });
	for (size_t i = 2; i < HOSTS + 3; i++) {
		unlink(argv[i]);
		free(argv[i]);
	}
	gabi_contract_free(contract);
	fleet_end(&fleet);
}

/* libvirt's answer to the question of one host; 0 where it is not installed or its daemon does not run. */
static double time_libvirt(const char *directory)
{
	static const char cpu[] = "<cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model></cpu>";
	char *path = new_path(directory, "cpu", 0), *text = malloc(sizeof(cpu));
	char *ask[] = { (char[]){ "virsh" }, (char[]){ "hypervisor-cpu-compare" }, path, NULL };
	char *there[] = { (char[]){ "virsh" }, (char[]){ "hostname" }, NULL };
	double ns;

	if (!text)
		stop("out of memory");
	write_file(path, memcpy(text, cpu, sizeof(cpu)), sizeof(cpu) - 1);
	ns = run(there) == 0 ? time_run(ask, 1, 40) : 0;
	unlink(path);
	free(path);
	return ns;
}

/* QEMU's own answer to what a CPU model is: started, asked, ended. 0 where it is not installed. */
static double time_qemu(void)
{
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" },
			 (char[]){ "printf '%s\\n' '{\"execute\":\"qmp_capabilities\"}' '{\"execute\":\"query-cpu-model-expansion\",\"arguments\":{\"type\":"
				   "\"full\",\"model\":{\"name\":\"EPYC-Rome\"}}}' '{\"execute\":\"quit\"}' |"
				   "qemu-system-x86_64 -machine none -nodefaults -display none -qmp stdio" },
			 NULL };

	return time_run(argv, 0, 20);
}

static void bench_pin(char *gabi, const char *manifests)
{
	char path[4096];
	char *argv[] = { gabi, (char[]){ "pin" }, (char[]){ "--qemu" }, (char[]){ "-machine pc-q35-7.2 -cpu EPYC-Rome,hv-relaxed,hv-vapic,hv-time" }, path,
			 NULL };
	double ns, qemu = time_qemu();

	snprintf(path, sizeof(path), "%s/amd-epyc-rome-linux-6.12.json", manifests);
	ns = time_run(argv, 0, 40);
	if (!ns)
		stop("gabi pin failed");
	bench_print(&(struct bench_line){ "process", "gabi pin --qemu", 1, ns, qemu ? "QEMU started and asked for the model" : NULL, qemu,
					  "EPYC-Rome with three flags of Hyper-V on amd-epyc-rome-linux-6.12" });
}

int main(int argc, char **argv)
{
	char directory[] = "/tmp/gabi-bench-XXXXXX", *nothing[] = { (char[]){ "true" }, NULL };
	double idle, libvirt;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_process DIRECTORY-OF-MANIFESTS GABI\n");
		return 2;
	}
	if (!mkdtemp(directory))
		stop("there is no place for files");
	idle = time_run(nothing, 0, 40);
	libvirt = time_libvirt(directory);
	if (libvirt)
		bench_print(&(struct bench_line){ "process", "virsh hypervisor-cpu-compare", 1, libvirt, "a process that does nothing",
						  idle, NULL });
	else
		printf("{\"bench\":\"process\",\"case\":\"virsh hypervisor-cpu-compare\",\"absent\":\"not installed, or no daemon\"}\n");
	bench_pin(argv[2], argv[1]);
	bench_arch(argv[2], argv[1], directory, GABI_ARCH_X86, idle);
	bench_arch(argv[2], argv[1], directory, GABI_ARCH_ARM64, idle);
	rmdir(directory);
	return 0;
}
