import { script } from "../../../provider/hosts/transport/script";
import { evaluate } from "../nix";

/** The store path of a script of provider/scripts behind those that it needs. */
export function storePathOf(name: string): string {
  // Without the braces that guard what is sent over a link.
  const text = script(name).slice("{\n".length, -"\n}\n".length);
  return String(evaluate(`builtins.toFile "${name}" site`, JSON.stringify(text)));
}
