// Is a command line of hey the same load in the words of our own generator, and is everything refused that is not understood?
import { describe, expect, test } from "@jest/globals";
import { heyLoad, isHey } from "../../../loadtester/hey.ts";
import { planLoad } from "../../../loadtester/plan.ts";
import { splitWords } from "../../../loadtester/words.ts";

const URL_OF_APP = "http://podinfo-canary.test:9898/";

describe("words", () => {
  test.each([
    ["a  b\tc", ["a", "b", "c"]],
    [`-H "X-A: b c" -d '{"a": "b"}'`, ["-H", "X-A: b c", "-d", '{"a": "b"}']],
    [`a"b"'c'd`, ["abcd"]],
    [`'' ""`, ["", ""]],
    [String.raw`a\ b "c\"d\e" 'f\g'`, ["a b", String.raw`c"d\e`, String.raw`f\g`]],
    ["test x \\\n  --cleanup\n", ["test", "x", "--cleanup"]],
    ["get pods -o jsonpath={.items[*].metadata.name}", ["get", "pods", "-o", "jsonpath={.items[*].metadata.name}"]],
    ["", []],
  ])("%j", (text, words) => expect(splitWords(text)).toEqual({ ok: true, words, plain: true }));

  test.each(["a; b", "a && b", "a | b", "a > b", "a $B", 'a "$B"', "a `b`", "a http://x/?b=1&c=2", "a\nb", "a # b"])("a shell would do more with %j", (text) => {
    expect(splitWords(text)).toMatchObject({ ok: true, plain: false });
  });

  test.each(["'a", 'a "b'])("an open quote: %j", (text) => expect(splitWords(text)).toMatchObject({ ok: false }));
});

describe("a command", () => {
  test.each([["hey -z 1m http://x", true], [" hey", true], ["heyyou", false], ["sleep 1; hey http://x", false]])("%j is hey's: %s", (command, is) => expect(isHey(command)).toBe(is));

  const all = { url: URL_OF_APP, method: "GET", timeout: "20s", keepAlive: "true" };
  test.each([
    [`hey -z 1m -q 10 -c 2 ${URL_OF_APP}`, { ...all, rate: "20", concurrency: "2", duration: "1m" }],
    [`hey -z=1m --q=10 --c 2 "${URL_OF_APP}"`, { ...all, rate: "20", concurrency: "2", duration: "1m" }],
    [`hey ${URL_OF_APP}`, { ...all, rate: "unlimited", concurrency: "50", requests: "200" }],
    [`hey -n 30 -c 3 -t 5 ${URL_OF_APP}`, { ...all, rate: "unlimited", concurrency: "3", requests: "30", timeout: "5s" }],
    [`hey -z 10s -n 30 -q 0.5 -c 4 ${URL_OF_APP}`, { ...all, rate: "2", concurrency: "4", duration: "10s" }],
    [`hey -z 1m -q 5 -c 1 -m POST -d '{"a": 1}' -T application/json -H 'X-A: b' -H "X-C: d: e" -host app.example ${URL_OF_APP}`,
      { ...all, rate: "5", concurrency: "1", duration: "1m", method: "POST", body: '{"a": 1}', headers: "X-A: b\nX-C: d: e\nHost: app.example\nContent-Type: application/json" }],
    [`hey -z 1m -a me:pass -A text/html -disable-keepalive ${URL_OF_APP}`,
      { ...all, rate: "unlimited", concurrency: "50", duration: "1m", keepAlive: "false", headers: `Accept: text/html\nAuthorization: Basic ${Buffer.from("me:pass").toString("base64")}` }],
    [`hey -z 1m \\\n  -q 10 -c 2 \\\n  ${URL_OF_APP}\n`, { ...all, rate: "20", concurrency: "2", duration: "1m" }],
  ])("%s", (command, fields) => {
    expect(heyLoad(command)).toEqual({ ok: true, fields });
    expect(planLoad(fields, false, 3_600_000)).toMatchObject({ ok: true });
  });

  test.each([
    [`hey -z 1m -x proxy:80 ${URL_OF_APP}`, /-x is not understood/],
    [`hey -h2 ${URL_OF_APP}`, /-h2 is not understood/],
    [`hey -z 1m ${URL_OF_APP} -q 10`, /the address must be the last word/],
    [`hey -z 1m`, /address is missing/],
    [`hey -z`, /-z has no value/],
    [`hey -c two ${URL_OF_APP}`, /-c must be/],
    [`hey -q fast ${URL_OF_APP}`, /-q must be/],
    [`hey -t 0 ${URL_OF_APP}`, /-t must be/],
    [`hey -z 1m ${URL_OF_APP} && curl x`, /single command/],
    [`hey -z 1m http://x/?a=1&b=2`, /single command/],
    [`hey -H 'X ${URL_OF_APP}`, /never closed/],
  ])("refused: %s", (command, why) => expect(heyLoad(command)).toMatchObject({ ok: false, why: expect.stringMatching(why) }));

  test("no more than one pipe, list or variable of a shell is taken for a load", () => {
    expect(heyLoad(`hey -z 1m $TARGET`)).toMatchObject({ ok: false });
    expect(heyLoad(`hey -z 1m ${URL_OF_APP} > /dev/null`)).toMatchObject({ ok: false });
  });
});
