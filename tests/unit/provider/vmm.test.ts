/** What the scripts read from a VMM's command line, with the arguments of microvm.nix's runners. */
import { execFileSync } from "node:child_process";
import { script } from "../../../provider/hosts/transport/script";

const QEMU = [
  ...["microvm@kq1", "-name", "kq1", "-M", "microvm,accel=kvm:tcg,acpi=on", "-m", "256"],
  ...["-chardev", "stdio,id=stdio,signal=off", "-qmp", "unix:kq1.sock,server,nowait"],
  ...["-drive", "id=store,format=raw,read-only=on,file=/nix/store/x-erofs,if=none,aio=io_uring"],
  ...["-drive", "id=vda,format=raw,file=/var/lib/microvms/kq1/var.img,if=none,discard=unmap"],
  ...["-drive", "id=vdb,format=raw,file=/srv/data.img,if=none"],
];
const CLOUD_HYPERVISOR = [
  ...["cloud-hypervisor", "--memory", "mergeable=on,shared=on,size=512M"],
  ...["--api-socket", "kc1.sock"],
];

/** Runs shell code after vmm.sh, with a process that has these arguments. */
function withVmm(words: string[], code: string): string {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const stubs = `systemctl() { echo 7; }; vmm_words() { printf '%s\\n' ${quoted}; }`;
  const text = `p_nonce=n; ${script("vmm")}\n${stubs}\nfind_vmm kq1\n${code}\n`;
  return execFileSync("/bin/sh", { input: text, encoding: "utf8" }).trim();
}

const FOUND = 'echo "$vmm $vmm_socket"';

test("finds QEMU and its socket relative to its working directory", () => {
  expect(withVmm(QEMU, FOUND)).toBe("qemu /proc/7/cwd/kq1.sock");
  const absolute = QEMU.map((word) => word.replace("unix:kq1", "unix:/run/kq1"));
  expect(withVmm(absolute, FOUND)).toBe("qemu /run/kq1.sock");
});

test("finds cloud-hypervisor, and no other program", () => {
  expect(withVmm(CLOUD_HYPERVISOR, FOUND)).toBe("cloud-hypervisor /proc/7/cwd/kc1.sock");
  expect(withVmm(["systemd-nspawn", "--quiet", "--machine=kw1"], FOUND)).toBe("");
  expect(withVmm(["qemu-system-x86_64", "-m", "256"], FOUND)).toBe("");
});

test("finds the drive of an image by its whole path", () => {
  expect(withVmm(QEMU, "qemu_drive /srv/data.img")).toBe("vdb");
  expect(withVmm(QEMU, "qemu_drive /var/lib/microvms/kq1/var.img")).toBe("vda");
  expect(withVmm(QEMU, "qemu_drive /srv/data")).toBe("");
  expect(withVmm(QEMU, "qemu_drive /var/img")).toBe("");
});
