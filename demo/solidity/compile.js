// Compiles what npm packages bring as source alone, and our own test contracts: node compile.js OUTPUT.json
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const ours = ["Token.sol", "Aggregator.sol"];
const theirs = ["@chainlink/contracts/src/v0.6/EACAggregatorProxy.sol"];
const root = path.join(__dirname, "../..");
const at = (file) => (file.startsWith("@") ? path.join(root, "node_modules", file) : path.join(__dirname, file));
const content = (file) => fs.readFileSync(at(file), "utf8");

const input = {
  language: "Solidity",
  sources: Object.fromEntries([...ours, ...theirs].map((file) => [file, { content: content(file) }])),
  settings: {
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (file) => ({ contents: content(file) }) }));
const wrong = (output.errors || []).filter((error) => error.severity === "error");
if (wrong.length) {
  wrong.forEach((error) => console.error(error.formattedMessage));
  process.exit(1);
}
const compiled = {};
for (const contracts of Object.values(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    if (contract.evm.bytecode.object) compiled[name] = { abi: contract.abi, bytecode: contract.evm.bytecode.object };
  }
}
fs.mkdirSync(path.dirname(process.argv[2]), { recursive: true });
fs.writeFileSync(process.argv[2], JSON.stringify(compiled));
