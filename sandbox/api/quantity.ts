// How does the API server write an amount back? 1000m becomes 1, 1024Mi becomes 1Gi: the largest suffix without a
// fraction. It must never change the amount.
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const THOUSANDTHS_OF = 1_000_000_000n;

/** What is no quantity is given back as it came: refusing it is the validation's part. */
export function canonicalQuantity(value: unknown): string {
  const text = String(value);
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE])|[eE]([+-]?\d+))?$/.exec(text);
  if (match === null || text === "") return text;
  const [, sign = "", whole = "", fraction = "", binary, decimal, exponent] = match;
  const digits = BigInt(`${whole}${fraction}` === "" ? "0" : `${whole}${fraction}`);
  const scale = 10n ** BigInt(fraction.length);
  const minus = sign === "-" ? "-" : "";
  if (digits === 0n) return "0";
  if (binary !== undefined) return minus + inSuffix(digits * 1024n ** BigInt(BINARY.indexOf(binary)), scale, BINARY, 1024n, 0) ;
  const power = decimal === undefined ? Number(exponent ?? 0) : 3 * (DECIMAL.indexOf(decimal) - 3);
  const nanos = power >= 0 ? digits * 10n ** BigInt(power) * THOUSANDTHS_OF : (digits * THOUSANDTHS_OF) / 10n ** BigInt(-power);
  if (exponent !== undefined) return text;
  return minus + inSuffix(nanos, scale, DECIMAL, 1000n, 0);
}

function inSuffix(amount: bigint, scale: bigint, suffixes: readonly string[], step: bigint, start: number): string {
  // Amounts below the smallest suffix are rounded up, as the API server does.
  let value = (amount + scale - 1n) / scale;
  let index = start;
  while (index < suffixes.length - 1 && value % step === 0n) {
    value /= step;
    index += 1;
  }
  return `${value}${suffixes[index] ?? ""}`;
}
