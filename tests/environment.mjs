// Node's environment, with globals that cost nothing. Jest puts a Proxy behind the global object of each test file, so that every look at Map, Math or JSON goes
// through it: the simulation takes twice as long. A context without an object of ours behind it needs no such detour.
import vm from "node:vm";
import { TestEnvironment } from "jest-environment-node";

export default class PlainEnvironment extends TestEnvironment {
  constructor(config, context) {
    const { createContext } = vm;
    vm.createContext = () => createContext(vm.constants.DONT_CONTEXTIFY);
    try {
      super(config, context);
    } finally {
      vm.createContext = createContext;
    }
  }
}
