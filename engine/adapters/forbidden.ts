// Where must the engine not go, whatever a manifest says? Loopback, link-local and the metadata services of clouds: what listens there trusts whoever is on the machine.
// It is the address of the connection that is looked at, after names were resolved and at each redirect: a name may lead anywhere, and elsewhere a second later.
import { lookup as resolve, type LookupAddress } from "node:dns";
import { Agent as HttpAgent, type AgentOptions as HttpOptions } from "node:http";
import { Agent as HttpsAgent, type AgentOptions } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";

export const FORBIDDEN = "ERR_ADDRESS_FORBIDDEN";

const closed = new BlockList();
for (const [net, prefix] of [["0.0.0.0", 8], ["127.0.0.0", 8], ["169.254.0.0", 16]] as const) closed.addSubnet(net, prefix, "ipv4");
// Metadata and agents of Alibaba, Oracle and Azure are outside of the link-local network.
for (const address of ["100.100.100.200", "192.0.0.192", "168.63.129.16"]) closed.addAddress(address, "ipv4");
for (const [net, prefix] of [["fe80::", 10], ["::1", 128], ["::", 128], ["fd00:ec2::254", 128]] as const) closed.addSubnet(net, prefix, "ipv6");
// The same IPv4 addresses behind a translator (RFC 6052), and as IPv6 had them once.
for (const prefix of ["64:ff9b::", "::"]) {
  for (const [net, bits] of [["a9fe:0", 112], ["7f00:0", 104]] as const) closed.addSubnet(`${prefix}${net}`, bits, "ipv6");
}

export type Resolve = (hostname: string, options: { all: true }, callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void) => void;

export interface Guard {
  /** Whether a host is an address, and one that is forbidden; of a name nothing is known before it is resolved. */
  forbids(host: string): boolean;
  lookup: LookupFunction;
  http(): HttpAgent;
  https(options: AgentOptions): HttpsAgent;
}

/** @param names resolves names; the machine's own way where it is not given */
export function guard(names: Resolve = resolve): Guard {
  const lookup: LookupFunction = (hostname, options, callback) => {
    names(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      // One of several is enough: which of them is taken is the network's choice.
      if (addresses.length === 0 || addresses.some(({ address }) => forbids(address))) return callback(refusal(), []);
      const [first] = addresses;
      if (options.all === true) callback(null, addresses);
      else callback(null, first?.address ?? "", first?.family);
    });
  };
  return { forbids, lookup, http: () => checked(new HttpAgent({ lookup } as HttpOptions)), https: (options) => checked(new HttpsAgent({ ...options, lookup } as AgentOptions)) };
}

function forbids(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  const family = isIP(address);
  return family !== 0 && closed.check(address, family === 6 ? "ipv6" : "ipv4");
}

function refusal(): NodeJS.ErrnoException {
  return Object.assign(new Error("the address is forbidden"), { code: FORBIDDEN });
}

type Connect = (options: { host?: string }, callback: (error: Error) => void) => unknown;

/** Nobody looks up what is an address already. */
function checked<A extends HttpAgent>(agent: A): A {
  const open = agent as unknown as { createConnection: Connect };
  const connect = open.createConnection.bind(agent);
  open.createConnection = (options, callback) => (forbids(options.host ?? "") ? callback(refusal()) : connect(options, callback));
  return agent;
}
