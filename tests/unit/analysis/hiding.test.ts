// Is what was sent as a secret taken out of what a far end says, however it is written there, and is the rest left as it is?
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { hiderOf, secretsOf } from "../../../analysis/hiding.ts";

const SECRET = `s3cret"a/b+c&<d>'e`;
const html = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

describe("a secret", () => {
  test.each([
    ["as it is", SECRET],
    ["in JSON", JSON.stringify({ token: SECRET })],
    ["in JSON within JSON", JSON.stringify(JSON.stringify({ token: SECRET }))],
    ["in an address", encodeURIComponent(SECRET)],
    ["in a form", new URLSearchParams({ token: SECRET }).toString()],
    ["in HTML", html(SECRET)],
    ["in HTML with quotes", html(SECRET).replace(/"/g, "&quot;").replace(/'/g, "&#39;")],
    ["as base64", Buffer.from(SECRET).toString("base64")],
    ["without its line end", `${SECRET} `],
  ])("%s", (_, text) => {
    const shown = hiderOf([`${SECRET}\n`])(`no: ${text} again`);
    expect(shown).toContain("[hidden]");
    expect(shown).not.toMatch(/s3cret|c2VjcmV0|czNjcmV0/);
    expect(shown).toMatch(/^no: .* again$/);
  });

  test("that is part of another leaves nothing of that one", () => {
    expect(hiderOf(["abcd", "abcdefgh"])("abcdefgh abcd")).toBe("[hidden] [hidden]");
  });

  test("that is too short to be found among words takes the whole text with it", () => {
    expect(hiderOf(["xy"])("no: xyz")).toBe("[hidden]");
    expect(hiderOf(["xy"])("no")).toBe("no");
  });

  test("none hides nothing", () => expect(hiderOf([])("the change freeze ends on Monday")).toBe("the change freeze ends on Monday"));

  test("whatever it is, it is not seen", () => {
    fc.assert(fc.property(fc.string({ minLength: 4 }).filter((text) => text.trim().length >= 4 && !"[hidden]".includes(text.trim())), fc.string(), (secret, around) => {
      const shown = hiderOf([secret])(`${around}${secret}${around}`);
      expect(shown).toContain("[hidden]");
    }));
  });
});

describe("of a request", () => {
  const hidden = (text: string): string =>
    hiderOf(secretsOf({ url: "https://ann:pa%22ss@chat.example/gates/T0123456789AB?token=q-s3cret-value&env=prod", headers: { Accept: "a/json", "User-Agent": "kurator-rollout", Authorization: "Basic YW5uOnMzY3JldA==", "X-Key": "k1-s3cret" } }))(text);

  test.each(["k1-s3cret", "YW5uOnMzY3JldA==", "s3cret", 'pa"ss', "pa%22ss", "q-s3cret-value", "T0123456789AB", "token=q-s3cret-value&env=prod"])("%s is hidden", (text) => {
    expect(hidden(`<${text}>`)).toMatch(/^<(token=)?\[hidden\](&env=prod)?>$/);
  });

  test.each(["gates are closed in prod", "ann may not", "a/json", "kurator-rollout"])("%s is left", (text) => expect(hidden(text)).toBe(text));
});
