export default { optimizeDeps: { exclude: ['monoquant'] } };
