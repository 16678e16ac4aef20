"""What `metatrain doctor` looks at: this installation, and what a configuration will cost here."""
