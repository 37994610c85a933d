export default { serverExternalPackages: ['monoquant'] };
