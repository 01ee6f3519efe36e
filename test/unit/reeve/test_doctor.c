/* SPDX-License-Identifier: BSD-3-Clause */
/* What the doctor says of hosts that are trees of files. */
#include "doctor.h"

#include "../mech/tree.h"

static struct tree host;

static int set_up(void **state)
{
	(void)state;
	tree_new(&host);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_free(&host);
	return 0;
}

/* The first finding of this check, NULL for none, and how many there are. */
static const json_t *find(const struct doctor *d, const char *check, unsigned *ret_n)
{
	const json_t *finding, *first = NULL;
	size_t i;

	*ret_n = 0;
	json_array_foreach(d->findings, i, finding) {
		if (strcmp(json_string_value(json_object_get(finding, "check")), check) != 0)
			continue;
		first = first ?: finding;
		(*ret_n)++;
	}
	return first;
}

static void assert_finding(const struct doctor *d, const char *check, const char *verdict,
			   const char *mend)
{
	unsigned n;
	const json_t *finding = find(d, check, &n);

	if (!finding)
		fail_msg("nothing about %s", check);
	assert_string_equal(json_string_value(json_object_get(finding, "verdict")), verdict);
	assert_string_equal(json_string_value(json_object_get(finding, "mend")), mend);
	assert_string_not_equal(json_string_value(json_object_get(finding, "what")), "");
}

static void assert_no_finding(const struct doctor *d, const char *check)
{
	unsigned n;

	assert_null(find(d, check, &n));
}

static void examine(struct doctor *d, void (*check)(struct doctor *d))
{
	assert_int_equal(doctor_open(d, host.root, "/nonexistent"), 0);
	assert_false(d->real);
	check(d);
	assert_false(d->failed);
}

/* --- NICs ----------------------------------------------------------------------- */

#define UUID "000d3a2b-1c2d-000d-3a2b-1c2d000d3a2b"

static void make_nic(const char *name, const char *device, const char *driver, unsigned queues)
{
	char path[128], to[128];

	for (unsigned i = 0; i < queues; i++) {
		snprintf(path, sizeof(path), "sys/class/net/%s/queues/rx-%u/rps_cpus", name, i);
		tree_file(&host, path, "0\n");
	}
	snprintf(path, sizeof(path), "sys/class/net/%s/queues/tx-0/xps_cpus", name);
	tree_file(&host, path, "0\n");
	if (!device)
		return;
	snprintf(path, sizeof(path), "sys/devices/%s/driver", device);
	snprintf(to, sizeof(to), "../../bus/any/drivers/%s", driver);
	tree_link(&host, path, to);
	snprintf(path, sizeof(path), "sys/class/net/%s/device", name);
	snprintf(to, sizeof(to), "../../../devices/%s", device);
	tree_link(&host, path, to);
}

static void tells_of_azure(void **state)
{
	struct doctor d;
	unsigned n;

	(void)state;
	make_nic("eth1", UUID, "hv_netvsc", 4);
	examine(&d, doctor_nics);
	assert_finding(&d, "eth1 queues", "ok", "");
	assert_finding(&d, "eth1 azure", "limited",
		       "driverctl -b vmbus set-override " UUID " uio_hv_generic");
	assert_finding(&d, "azure", "missing", "modprobe uio_hv_generic");
	find(&d, "azure", &n);
	assert_int_equal(n, 2);
	assert_int_equal(d.missing, 2);
	doctor_close(&d);

	tree_file(&host, "sys/module/uio_hv_generic/refcnt", "0\n");
	examine(&d, doctor_nics);
	assert_finding(&d, "azure", "missing", "apt-get install driverctl");
	doctor_close(&d);

	tree_file(&host, "usr/sbin/driverctl", "");
	examine(&d, doctor_nics);
	assert_no_finding(&d, "azure");
	assert_int_equal(d.missing, 0);
	doctor_close(&d);
}

/* Its NIC is the user-space driver's already, and no network interface any more. */
static void tells_of_azure_when_it_is_done(void **state)
{
	struct doctor d;

	(void)state;
	tree_file(&host, "sys/class/net/lo/operstate", "up\n");
	tree_file(&host, "sys/bus/vmbus/drivers/uio_hv_generic/" UUID "/id", "\n");
	tree_file(&host, "sys/module/uio_hv_generic/refcnt", "1\n");
	tree_file(&host, "usr/bin/driverctl", "");
	examine(&d, doctor_nics);
	assert_no_finding(&d, "azure");
	assert_finding(&d, "NICs", "limited", "");
	doctor_close(&d);
}

static void tells_of_ordinary_nics(void **state)
{
	struct doctor d;

	(void)state;
	make_nic("ens1", "0000:01:00.0", "ice", 1);
	make_nic("veth0", NULL, NULL, 8);
	examine(&d, doctor_nics);
	assert_finding(&d, "ens1 queues", "limited", "");
	assert_no_finding(&d, "ens1 azure");
	assert_no_finding(&d, "azure");
	assert_no_finding(&d, "veth0 queues");
	assert_no_finding(&d, "NICs");
	assert_int_equal(d.missing, 0);
	doctor_close(&d);
}

static void tells_of_no_nics(void **state)
{
	struct doctor d;

	(void)state;
	examine(&d, doctor_nics);
	assert_finding(&d, "NICs", "unknown", "");
	doctor_close(&d);
}

/* --- kernel ----------------------------------------------------------------------- */

static void knows_kernels(void **state)
{
	static const struct {
		const char *release, *verdict;
	} rows[] = {
		{ "4.19.0-27-amd64\n", "missing" }, { "5.8.18\n", "missing" },
		{ "5.9.0\n", "limited" },	    { "6.1.0-13-amd64\n", "limited" },
		{ "6.4.0\n", "limited" },	    { "6.5.0\n", "ok" },
		{ "6.18.44-fc-v509\n", "ok" },	    { "7.0\n", "ok" },
		{ "strange\n", "unknown" },
	};
	struct doctor d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		tree_file(&host, "proc/sys/kernel/osrelease", rows[i].release);
		examine(&d, doctor_kernel);
		assert_finding(&d, "kernel", rows[i].verdict, "");
		doctor_close(&d);
	}
}

static void sees_the_bpf_file_system(void **state)
{
	struct doctor d;

	(void)state;
	tree_file(&host, "proc/mounts", "sysfs /sys sysfs rw 0 0\nbpf /mnt/bpf bpf rw 0 0\n");
	examine(&d, doctor_xdp);
	assert_finding(&d, "bpffs", "missing", "mount -t bpf bpf /sys/fs/bpf");
	assert_finding(&d, "XDP", "unknown", "sudo reeve doctor");
	doctor_close(&d);
	tree_file(&host, "proc/mounts", "none /sys/fs/bpf bpf rw,mode=700 0 0\n");
	examine(&d, doctor_xdp);
	assert_finding(&d, "bpffs", "ok", "");
	assert_int_equal(d.missing, 0);
	doctor_close(&d);
}

/* --- host -------------------------------------------------------------------------- */

static void counts_hugepages(void **state)
{
	struct doctor d;

	(void)state;
	tree_file(&host, "proc/meminfo",
		  "MemTotal: 1 kB\nHugePages_Total:       0\nHugepagesize:    2048 kB\n");
	examine(&d, doctor_memory);
	assert_finding(&d, "hugepages", "limited", "sysctl -w vm.nr_hugepages=1024");
	doctor_close(&d);
	tree_file(&host, "proc/meminfo",
		  "HugePages_Total:    1024\nHugePages_Free:     1000\nHugepagesize:  2048 kB\n");
	examine(&d, doctor_memory);
	assert_finding(&d, "hugepages", "ok", "");
	doctor_close(&d);
}

static void reads_the_locked_memory_limit(void **state)
{
	static const struct {
		const char *limit, *verdict, *mend;
	} rows[] = {
		{ "8388608              8388608              bytes", "limited",
		  "ulimit -l unlimited" },
		{ "67108864             unlimited            bytes", "ok", "" },
		{ "unlimited            unlimited            bytes", "ok", "" },
	};
	struct doctor d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[256];

		snprintf(text, sizeof(text), "Max processes 1 1\nMax locked memory         %s\n",
			 rows[i].limit);
		tree_file(&host, "proc/self/limits", text);
		examine(&d, doctor_memory);
		assert_finding(&d, "locked memory", rows[i].verdict, rows[i].mend);
		doctor_close(&d);
	}
}

static void counts_iommu_groups(void **state)
{
	struct doctor d;

	(void)state;
	examine(&d, doctor_memory);
	assert_finding(&d, "IOMMU", "limited",
		       "kernel command line: intel_iommu=on iommu=pt (AMD: iommu=pt)");
	doctor_close(&d);
	tree_file(&host, "sys/kernel/iommu_groups/0/type", "DMA\n");
	examine(&d, doctor_memory);
	assert_finding(&d, "IOMMU", "ok", "");
	doctor_close(&d);
}

static void reads_cgroups(void **state)
{
	const char *on = "echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control";
	struct doctor d;

	(void)state;
	examine(&d, doctor_cpus);
	assert_finding(&d, "cgroups", "limited",
		       "kernel command line: systemd.unified_cgroup_hierarchy=1");
	assert_finding(&d, "isolated CPUs", "limited", "kernel command line: isolcpus=LIST");
	doctor_close(&d);

	tree_file(&host, "sys/fs/cgroup/cgroup.controllers", "cpu io memory cpusets\n");
	examine(&d, doctor_cpus);
	assert_finding(&d, "cgroups", "limited", "");
	doctor_close(&d);

	tree_file(&host, "sys/fs/cgroup/cgroup.controllers", "cpu cpuset io\n");
	tree_file(&host, "sys/fs/cgroup/cgroup.subtree_control", "cpu io\n");
	examine(&d, doctor_cpus);
	assert_finding(&d, "cgroups", "limited", on);
	doctor_close(&d);

	tree_file(&host, "sys/fs/cgroup/cgroup.subtree_control", "io cpuset\n");
	tree_file(&host, "sys/devices/system/cpu/isolated", "2-3\n");
	examine(&d, doctor_cpus);
	assert_finding(&d, "cgroups", "ok", "");
	assert_finding(&d, "isolated CPUs", "ok", "");
	doctor_close(&d);
}

static void looks_for_kvm_below_the_root(void **state)
{
	struct doctor d;

	(void)state;
	examine(&d, doctor_vm);
	assert_finding(&d, "KVM", "limited", "modprobe kvm_intel || modprobe kvm_amd");
	doctor_close(&d);
}

static void refuses_a_root_that_is_none(void **state)
{
	struct doctor d;

	(void)state;
	assert_int_equal(doctor_open(&d, "/nonexistent", ""), -ENOENT);
	doctor_close(&d);
}

/* All of it, on nothing at all and on this host: it ends, and says something. */
static void examines_anything(void **state)
{
	const char *const roots[] = { host.root, "/" };
	struct doctor d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		assert_int_equal(doctor_open(&d, roots[i], "/nonexistent"), 0);
		doctor_all(&d);
		assert_false(d.failed);
		assert_true(json_array_size(d.findings) >= 8);
		doctor_close(&d);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_of_azure),
		TEST(tells_of_azure_when_it_is_done),
		TEST(tells_of_ordinary_nics),
		TEST(tells_of_no_nics),
		TEST(knows_kernels),
		TEST(sees_the_bpf_file_system),
		TEST(counts_hugepages),
		TEST(reads_the_locked_memory_limit),
		TEST(counts_iommu_groups),
		TEST(reads_cgroups),
		TEST(looks_for_kvm_below_the_root),
		TEST(refuses_a_root_that_is_none),
		TEST(examines_anything),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
