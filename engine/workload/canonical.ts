// Is this the same pod template as before? Names a template by a hash of its meaning, so that key order and the empty values that API servers and
// tools add and drop never look like a new revision. It judges nothing: an annotation that a restart stamps is a change like any other.
import { createHash } from "node:crypto";
import { isMap } from "../../crds/json.ts";

/** Kubernetes' alphabet for generated names: no vowels, hence no words, and nothing that looks like something else. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const LENGTH = 10;

/** Keys whose empty value says something: `{}` selects everything or names a volume's kind, where nothing at all does not. */
const KEPT_WHEN_EMPTY = new Set(["labelSelector", "namespaceSelector", "emptyDir"]);

/** Templates of cached objects are never changed, and most passes look at one that was looked at before. */
const HASHES = new WeakMap<object, string>();

export function templateHash(template: unknown): string {
  const known = isMap(template) ? HASHES.get(template) : undefined;
  const hash = known ?? hashText(canonicalJson(template));
  if (isMap(template)) HASHES.set(template, hash);
  return hash;
}

/** Ten letters that may stand in any name: the last digits of the digest, as a number written in that alphabet. */
export function hashText(text: string): string {
  const digest = createHash("sha256").update(text).digest();
  const base = ALPHABET.length;
  let name = "";
  while (name.length < LENGTH) {
    // Long division by hand: a big integer is several times slower, and a pass makes a dozen names.
    let rest = 0;
    for (let index = 0; index < digest.length; index += 1) {
      const part = rest * 256 + (digest[index] ?? 0);
      digest[index] = Math.floor(part / base);
      rest = part % base;
    }
    name += ALPHABET.charAt(rest);
  }
  return name;
}

/** JSON with sorted keys and without members that are empty. Elements of arrays keep their places, and quantities their spelling. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(canonical(value) ?? {});
}

/** Undefined when nothing is left. */
function canonical(value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((element: unknown) => canonical(element) ?? null);
  if (typeof value !== "object") return value;
  const members: [string, unknown][] = [];
  for (const [key, member] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const kept = canonical(member) ?? (KEPT_WHEN_EMPTY.has(key) && isMap(member) ? {} : undefined);
    if (kept !== undefined) members.push([key, kept]);
  }
  return members.length === 0 ? undefined : Object.fromEntries(members);
}
