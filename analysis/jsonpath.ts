// Which one value of a JSON answer is meant? Names and places only: a path that could choose several values would leave open which of them counts.
import { isMap } from "./answers.ts";

type Step = string | number;

/** Something is there, or it is silent (an empty list, null), or the path leads nowhere. */
export type Found = { kind: "found"; value: unknown } | { kind: "silent"; at: string } | { kind: "lost"; at: string };

const STEP = /^(?:\.([\w-]+)|\[(-?\d+)\]|\['([^']*)'\]|\["([^"]*)"\])/;

/** "$.data[0]['error rate']", also without "$" or in the braces that other tools want; undefined where it is no such path. */
export function pathOf(text: string): Step[] | undefined {
  const bare = text.trim().replace(/^\{(.*)\}$/s, "$1").trim().replace(/^\$/, "");
  let rest = bare === "" || /^[.[]/.test(bare) ? bare : `.${bare}`;
  const steps: Step[] = [];
  while (rest !== "") {
    const [whole, name, place, quoted, doubled] = STEP.exec(rest) ?? [];
    if (whole === undefined) return undefined;
    steps.push(place === undefined ? (name ?? quoted ?? doubled ?? "") : Number(place));
    rest = rest.slice(whole.length);
  }
  return steps;
}

export function follow(answer: unknown, steps: readonly Step[]): Found {
  let value = answer;
  let at = "$";
  for (const step of steps) {
    if (value === null) return { kind: "silent", at };
    at += typeof step === "number" ? `[${step}]` : `.${step}`;
    if (typeof step === "number") {
      if (!Array.isArray(value)) return { kind: "lost", at };
      const list = value as unknown[];
      const index = step < 0 ? list.length + step : step;
      if (index < 0 || index >= list.length) return { kind: "silent", at };
      value = list[index];
    } else {
      if (!isMap(value) || !Object.hasOwn(value, step)) return { kind: "lost", at };
      value = value[step];
    }
  }
  return value === null ? { kind: "silent", at } : { kind: "found", value };
}
