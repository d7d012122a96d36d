/* SPDX-License-Identifier: MIT */
/* Prints this machine's manifest. Static and alone, so that it runs in a machine that has nothing else: gabi-probe [NAME] */
#include <gabi/formats.h>
#include <gabi/kvm.h>

#include <stdio.h>

int main(int argc, char **argv)
{
	struct gabi_kvm_probe_options options = { .size = sizeof(options), .name = argc > 1 ? argv[1] : NULL };
	struct gabi_diag diag;
	struct gabi_host *host;
	size_t len;
	char *text;

	if (gabi_kvm_probe(&options, NULL, &host, &diag)) {
		fprintf(stderr, "gabi-probe: %s%s%s\n", diag.where, *diag.where ? ": " : "", diag.text);
		return 4;
	}
	if (gabi_host_write(host, NULL, &text, &len)) {
		fprintf(stderr, "gabi-probe: out of memory\n");
		return 4;
	}
	fwrite(text, 1, len, stdout);
	gabi_text_free(text, NULL);
	gabi_host_free(host);
	if (fflush(stdout) || ferror(stdout)) {
		perror("gabi-probe: standard output");
		return 3;
	}
	return 0;
}
