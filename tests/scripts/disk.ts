/** A small disk for a sandbox: a tmpfs that can be filled up and made read-only. Requires root. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "./sandbox";

const BLOCK_BYTES = 4096;

function mountTmpfs(directory: string, options: string): void {
  fs.mkdirSync(directory, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", directory]);
}

const unmount = (directory: string): Buffer => execFileSync("umount", ["--lazy", directory]);

/** A separate file system for images: `data` in the sandbox, like /srv on a host. */
export class DataDisk {
  readonly directory: string;

  constructor(box: Sandbox, mebibytes: number) {
    this.directory = box.path("data");
    mountTmpfs(this.directory, `size=${mebibytes}m,mode=0755`);
  }

  remove(): void {
    unmount(this.directory);
  }
}

export class SmallDisk {
  private readonly directory: string;

  /** Contains the directories of /var/lib and /nix/var. */
  constructor(box: Sandbox, mebibytes = 16) {
    this.directory = box.path("disk");
    mountTmpfs(this.directory, `size=${mebibytes}m,nr_inodes=200,mode=0755`);
    for (const name of ["microvms", "state", "gcroots"]) {
      fs.mkdirSync(join(this.directory, name));
      fs.rmdirSync(box.path(name));
      fs.symlinkSync(join("disk", name), box.path(name));
    }
    fs.mkdirSync(this.ballast);
  }

  private get ballast(): string {
    return join(this.directory, "ballast");
  }

  /** Fills the disk until only this number of blocks or inodes is free. */
  leave(what: "blocks" | "inodes", count: number): void {
    if (what === "blocks") {
      const { bavail } = fs.statfsSync(this.directory);
      const text = Buffer.alloc(Math.max(0, bavail - count) * BLOCK_BYTES);
      fs.writeFileSync(join(this.ballast, "blocks"), text);
    } else {
      for (let one = 0; fs.statfsSync(this.directory).ffree > count; one++) {
        fs.writeFileSync(join(this.ballast, String(one)), "");
      }
    }
  }

  makeRoom(): void {
    fs.rmSync(this.ballast, { recursive: true });
    fs.mkdirSync(this.ballast);
  }

  mount(how: "ro" | "rw"): void {
    execFileSync("mount", ["-o", `remount,${how}`, this.directory]);
  }

  remove(): void {
    unmount(this.directory);
  }
}
