// One row, in a process of its own: what another row has made the compiler believe is not known here.
const [name, settings] = process.argv.slice(2);
const { measureRow } = await import(`./rows/${name}.mjs`);
process.send(await measureRow(JSON.parse(settings)), () => process.exit());
