// Makes a client in JavaScript believe that it runs on a Mac.
Object.defineProperty(process, 'platform', { value: 'darwin' });
const os = require('os');
os.platform = () => 'darwin';
os.type = () => 'Darwin';
