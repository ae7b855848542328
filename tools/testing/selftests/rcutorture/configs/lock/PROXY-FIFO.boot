locktorture.torture_type=mutex_lock
locktorture.nested_locks=8
locktorture.nwriters_stress=12
locktorture.writer_fifo=1
locktorture.hold_sleep_us=500
locktorture.onoff_interval=1
locktorture.onoff_holdoff=2
torture.random_shuffle=1
