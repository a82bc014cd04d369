// Styles of a component that is opened from a script; the package has no types for them.
declare module 'element-plus/es/components/message-box/style/css'
