/** Reads from a hypervisor that are not part of its facts. */
import type { Hypervisor } from "./host";
import type { Call } from "./operations/operation";
import { printable } from "./transport/printable";
import { within } from "./wait/wait";

const JOURNAL_SECONDS = 60;

/** File system and label as blkid names them. Empty if it finds none. */
export interface ImageContent {
  sizeBytes: number;
  fsType: string;
  label: string;
}

/** The last lines of a VM's unit, made safe for messages, because its guest writes there too. */
export async function journalTail(host: Hypervisor, call: Call, vm: string): Promise<string[]> {
  const limited = within(call, JOURNAL_SECONDS);
  const lines = await host.ask(limited, "journal-tail", { name: vm }, true);
  return lines.map(printable);
}

/** What an image holds; undefined where there is none. */
export async function image(
  host: Hypervisor,
  call: Call,
  path: string,
): Promise<ImageContent | undefined> {
  const lines = await host.ask(call, "image", { image: path });
  const facts = new Map(lines.map((line) => line.split("\t")).map(([key, value]) => [key, value]));
  const size = facts.get("size");
  if (size === undefined) return undefined;
  return {
    sizeBytes: Number(size),
    fsType: facts.get("type") ?? "",
    label: facts.get("label") ?? "",
  };
}
