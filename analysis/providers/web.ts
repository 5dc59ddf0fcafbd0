// What does any other API say that answers JSON? One GET, whose headers a Secret may hold, and one number at a path. Nothing of the body is ever shown: nobody
// knows what is in it.
import { failed, numberOf, parsed, refused } from "../answers.ts";
import { unfit } from "../credentials.ts";
import { follow, pathOf } from "../jsonpath.ts";
import type { Provider } from "../types.ts";

const TITLE = "the web API";
const HEADER = /^[\w!#$%&'*+.^`|~-]+$/;

export const web: Provider = {
  name: "web",
  title: TITLE,
  about: { query: "what follows the address: path and parameters", takes: "the number at spec.provider.jsonPath", cannot: "bodies, other methods than GET, paths that choose several values, numbers written as text" },
  form: "url",
  needs: ["address"],
  keys: [],
  request(metric, credentials) {
    const { address, query, headers } = metric;
    if (/^[a-z][a-z0-9+.-]*:/i.test(query) || query.startsWith("//")) return { ok: false, field: "spec.query", why: "is what follows the address, such as /api/errors?app=backend; scheme and host belong into spec.provider.address" };
    if (pathOf(metric.jsonPath ?? "$") === undefined) return { ok: false, field: "spec.provider.jsonPath", why: "is not a path of names and places, such as $.data[0].rate" };
    const secret = `Secret ${metric.secret?.namespace}/${metric.secret?.name}`;
    const held = Object.fromEntries(Object.entries(credentials ?? {}).map(([name, value]) => [name, value.trim()]));
    if (credentials !== undefined && Object.keys(held).length === 0) return { ok: false, field: "spec.provider.secretRef", why: `${secret} lacks a key; each is the name of a header, such as the key Authorization` };
    const wrong = Object.keys(held).find((name) => !HEADER.test(name) || held[name] === "");
    if (wrong !== undefined) return { ok: false, field: "spec.provider.secretRef", why: `${secret}: the key ${wrong} is empty, or cannot be the name of a header` };
    const bad = unfit(held, metric);
    if (bad !== undefined) return bad;
    const url = new URL(address);
    const [path = "", ...parameters] = query.split("?");
    if (path !== "") url.pathname = `${url.pathname.replace(/\/$/, "")}/${path.replace(/^\//, "")}`;
    if (parameters.length > 0) url.search = [url.search.replace(/^\?/, ""), parameters.join("?")].filter((part) => part !== "").join("&");
    return { ok: true, request: { method: "GET", url: url.toString(), headers: { Accept: "application/json", ...headers, ...held } } };
  },
  read({ status, body }, { jsonPath = "$" }) {
    if (status < 200 || status >= 300) return refused(TITLE, status);
    const answer = parsed(body);
    if (answer === undefined) return failed(`${TITLE} answered something that is not JSON`, "spec.provider.address");
    const found = follow(answer, pathOf(jsonPath) ?? []);
    if (found.kind === "silent") return { kind: "no-data", why: `there is nothing at ${found.at.slice(0, 100)}` };
    if (found.kind === "lost") return failed(`the answer has no ${found.at.slice(0, 100)}`, "spec.provider.jsonPath");
    const reading = numberOf(found.value);
    return reading.kind === "error" ? failed(reading.why.replace("the query gives", "there stands"), "spec.provider.jsonPath") : reading;
  },
};
