// Package glossary holds no code but a test: the repository says things in the words of the field, one meaning per name.
package glossary
