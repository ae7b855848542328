locktorture.torture_type=mutex_lock
locktorture.nested_locks=8
locktorture.nwriters_stress=16
locktorture.hold_sleep_us=500
locktorture.onoff_interval=0
torture.random_shuffle=1
