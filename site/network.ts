/** IPv4 arithmetic. Pure; addresses are unsigned 32-bit numbers inside. */

export interface Cidr {
  /** First address of the network. */
  network: number;
  /** Last address of the network. */
  broadcast: number;
  prefixLength: number;
}

/** `192.0.2.1` -> number. Undefined if it is no dotted quad in its canonical form. */
export function parseIp(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part)))
    return undefined;
  const bytes = parts.map(Number);
  if (bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** The opposite of parseIp. */
export function formatIp(ip: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(ip / 2 ** shift) % 256).join(".");
}

/** `192.0.2.7/24` -> its network. Undefined if it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = "", prefix = "", ...rest] = text.split("/");
  const ip = parseIp(address);
  if (ip === undefined || rest.length > 0 || !/^([1-9]|[12][0-9]|30)$/.test(prefix))
    return undefined;
  const prefixLength = Number(prefix);
  const size = 2 ** (32 - prefixLength);
  const network = Math.floor(ip / size) * size;
  return { network, broadcast: network + size - 1, prefixLength };
}

/**
 * Whether a machine can have the address: in the network, neither network nor broadcast address.
 */
export function isHostOf(cidr: Cidr, ip: number): boolean {
  return ip > cidr.network && ip < cidr.broadcast;
}
