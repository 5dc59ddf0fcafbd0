// What are generated objects called? Hashes and suffixes in Kubernetes' alphabet, which holds no vowels and no look-alikes.
// A hash must depend on the content alone: not on the order of keys, nor on fields that are undefined.
import type { Random } from "../api/types.ts";

const alphabet = "bcdfghjklmnpqrstvwxz2456789";

export function randomSuffix(random: Random, length = 5): string {
  return Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join("");
}

const PRIME_LOW = 0x1b3;

/** FNV-1a over the canonical JSON: short and stable is all that a pod-template-hash has to be. */
export function contentHash(value: unknown, length = 10): string {
  // 64 bits in two halves, since every pass hashes: the prime is 2^40 + 0x1b3, and a BigInt for each byte is slow.
  let [high, low] = [0xcbf29ce4, 0x84222325];
  for (const byte of new TextEncoder().encode(canonicalJson(value))) {
    const mixed = (low ^ byte) >>> 0;
    const product = mixed * PRIME_LOW;
    high = (Math.imul(high, PRIME_LOW) + Math.floor(product / 2 ** 32) + (mixed << 8)) >>> 0;
    low = product >>> 0;
  }
  let hash = (BigInt(high) << 32n) | BigInt(low);
  let text = "";
  while (text.length < length) {
    text += alphabet[Number(hash % BigInt(alphabet.length))];
    hash /= BigInt(alphabet.length);
  }
  return text;
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`).join(",")}}`;
}
