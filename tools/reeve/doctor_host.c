/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "mech/kvm.h"

/* --- memory ---------------------------------------------------------------------------- */

static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void note_hugepages(struct doctor *d)
{
	char text[8192];
	uint64_t total;

	if (!doctor_read(d, "/proc/meminfo", text, sizeof(text))) {
		doctor_note(d, "hugepages", UNKNOWN, NULL, "/proc/meminfo can't be read");
		return;
	}
	total = number_after(text, "HugePages_Total:");
	if (total)
		doctor_note(d, "hugepages", FINE, NULL,
			    "%" PRIu64 " of %" PRIu64 " kB, %" PRIu64 " free", total,
			    number_after(text, "Hugepagesize:"),
			    number_after(text, "HugePages_Free:"));
	else
		doctor_note(d, "hugepages", LIMITED, "sysctl -w vm.nr_hugepages=1024",
			    "there are none, and DPDK wants them");
}

/* AF_XDP sockets need none of it: root makes their memory. */
static void note_locked_memory(struct doctor *d)
{
	const uint64_t enough = 64 << 20;
	const char *at;
	char text[4096];
	uint64_t limit;

	doctor_read(d, "/proc/self/limits", text, sizeof(text));
	at = strstr(text, "Max locked memory");
	if (!at)
		return;
	limit = number_after(at, "Max locked memory");
	if (limit >= enough || !strncmp(at + strcspn(at, "u0123456789"), "unlimited", 9))
		doctor_note(d, "locked memory", FINE, NULL, "the limit is high enough");
	else
		doctor_note(d, "locked memory", LIMITED, "ulimit -l unlimited",
			    "the limit is %" PRIu64 " kB, which is little for DPDK and RDMA",
			    limit / 1024);
}

static void note_iommu(struct doctor *d)
{
	unsigned groups = doctor_count(d, "/sys/kernel/iommu_groups", "");

	if (groups)
		doctor_note(d, "IOMMU", FINE, NULL, "%u groups", groups);
	else
		doctor_note(d, "IOMMU", LIMITED,
			    "kernel command line: intel_iommu=on iommu=pt (AMD: iommu=pt)",
			    "there is none, or it is off: devices can't be given to DPDK or to "
			    "virtual machines safely");
}

void doctor_memory(struct doctor *d)
{
	note_hugepages(d);
	note_locked_memory(d);
	note_iommu(d);
}

/* --- CPUs --------------------------------------------------------------------------------- */

static void note_isolated(struct doctor *d)
{
	char text[4096];

	doctor_read(d, "/sys/devices/system/cpu/isolated", text, sizeof(text));
	if (text[0])
		doctor_note(d, "isolated CPUs", FINE, NULL, "%.200s", text);
	else
		doctor_note(d, "isolated CPUs", LIMITED, "kernel command line: isolcpus=LIST",
			    "none: others may run on leased CPUs unless reeve.conf says 'enforce = "
			    "isolated' for the tenant");
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += n)
		if ((at == text || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return true;
	return false;
}

static void note_cgroups(struct doctor *d)
{
	char text[512];

	if (!doctor_read(d, "/sys/fs/cgroup/cgroup.controllers", text, sizeof(text))) {
		doctor_note(d, "cgroups", LIMITED,
			    "kernel command line: systemd.unified_cgroup_hierarchy=1",
			    "cgroup v2 is not mounted at /sys/fs/cgroup: leases stay advisory");
		return;
	}
	if (!has_word(text, "cpuset")) {
		doctor_note(d, "cgroups", LIMITED, NULL,
			    "cgroup v2 has no cpuset controller here: leases stay advisory");
		return;
	}
	doctor_read(d, "/sys/fs/cgroup/cgroup.subtree_control", text, sizeof(text));
	if (has_word(text, "cpuset"))
		doctor_note(d, "cgroups", FINE, NULL, "cpuset of cgroup v2 is there");
	else
		doctor_note(
			d, "cgroups", LIMITED,
			"echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control",
			"cpuset is not on for the cgroups below the root: leases stay advisory");
}

void doctor_cpus(struct doctor *d)
{
	note_isolated(d);
	note_cgroups(d);
}

/* --- virtual machines ------------------------------------------------------------------------ */

void doctor_vm(struct doctor *d)
{
	struct kvm_probe p;
	char dev[64];

	snprintf(dev, sizeof(dev), "/proc/self/fd/%d/dev", d->root);
	kvm_probe(dev, &p);
	switch (p.verdict) {
	case KVM_OK:
		doctor_note(d, "KVM", FINE, NULL, "a guest ran");
		break;
	case KVM_SLOW:
		doctor_note(
			d, "KVM", LIMITED, NULL,
			"a guest's kernel runs a thousand times slower than it should: this host "
			"interprets it");
		break;
	case KVM_DENIED:
		doctor_note(d, "KVM", LIMITED, "usermod -aG kvm \"$USER\"", "/dev/kvm: %s",
			    strerror(p.error));
		break;
	case KVM_ABSENT:
		doctor_note(d, "KVM", LIMITED, "modprobe kvm_intel || modprobe kvm_amd",
			    "/dev/kvm: %s", strerror(p.error));
		break;
	}
}
