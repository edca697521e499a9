/** `pulumi-microvm doctor`: what this machine and each host lack. Changes nothing. */
import { EXIT, messageOf } from "../errors";
import type { ExitCode } from "../errors";
import { localFindings } from "../doctor/local";
import { hostFindings } from "../doctor/hosts";
import { readSite, siteFile } from "../state/site";
import type { Terminal } from "../terminal";

export interface DoctorFlags {
  directory: string;
  stack?: string;
  site?: string;
  hosts: boolean;
}

/** Something that is missing or wrong. */
export interface Finding {
  /** `this machine`, or the name of a host. */
  where: string;
  what: string;
  remedy: string;
}

export async function doctor(terminal: Terminal, flags: DoctorFlags): Promise<ExitCode> {
  const { directory, stack, site } = flags;
  const findings = await terminal.during("looking at this machine", () =>
    localFindings(directory, stack),
  );
  if (flags.hosts) {
    try {
      const model = readSite(terminal, await siteFile(directory, stack, site));
      findings.push(
        ...(await terminal.during("looking at the hosts", () =>
          hostFindings(directory, stack, model),
        )),
      );
    } catch (error) {
      const remedy = "Correct the site file: pulumi-microvm validate";
      findings.push({ where: "this machine", what: messageOf(error), remedy });
    }
  }
  for (const { where, what, remedy } of findings) {
    terminal.print(`${terminal.paint("yellow", where)}: ${what}\n  ${remedy}`);
  }
  if (findings.length > 0) return EXIT.findings;
  terminal.print(terminal.paint("green", "Nothing is missing."));
  return EXIT.done;
}
